import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { AfterimageError } from '../../../shared/errors.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import type { BlockRecord } from '../../../shared/protocol/records.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import {
  createRig,
  firstPosition,
  incarnation,
  type Rig,
  until,
  watchEvents,
  writeSync,
} from './wire-rig.js';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

function memoryRig(set: Parameters<typeof createRig>[0]['set'] = {}) {
  const broker = createMemoryBroker();
  const made = createRig({ connect: () => broker.connect(), set });
  rig = made;
  return { broker, rig: made };
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `name-${index}`);

const beginOf = (sync: number) =>
  ({
    type: 'begin',
    sync,
    parentPoint: 0,
    parentChain: Buffer.alloc(32),
    incarnation,
    startedMs: 1,
  }) as const;

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

function randomBlock(block: number): BlockRecord {
  const bytes = randomBytes(BLOCK_BYTES);
  return { type: 'block', node: 2, block, digest: digestOf(bytes), bytes };
}

/** Repeats `attempt` until it fails, and gives the failure. */
async function waitFailure(attempt: () => Promise<void> | undefined): Promise<unknown> {
  for (;;) {
    try {
      await attempt();
    } catch (error) {
      return error;
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('set session', () => {
  test('session: a sync is sealed and committed, and the agent hears of both', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    expect(await session.start(() => firstPosition)).toEqual({ type: 'go-on', resumed: false });
    await writeSync(session, { number: 1, names: names(500) });
    await seen.next('sealed');
    const committed = await seen.next('committed');
    expect(committed.point).toBe(1);
    expect(rig.port.committed).toEqual(names(500));
    expect(rig.receiver.counters).toMatchObject({ malformed: 0, forged: 0, sessions: 1 });
  });
  test('session: HELLO after a missed commit rolls the agent forward', async () => {
    const { rig, broker } = memoryRig({ manualCommit: true });
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    let position = firstPosition;
    await session.start(() => position);
    const manifest = await writeSync(session, { number: 1, names: names(3) });
    position = { ...position, ended: { sync: 1, manifest } };
    await seen.next('sealed');
    broker.down();
    rig.port.commit();
    broker.up();
    const hello = await seen.next('hello', (event) => event.outcome.type === 'roll-forward');
    expect(hello.outcome).toMatchObject({ point: 1, timeMs: 1000 });
    expect(seen.events.some((event) => event.type === 'committed')).toBe(false);
  });
  test('session: an agent that remembers another history is told so', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session(identity);
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await writeSync(session, { number: 1, names: names(3) });
    await seen.next('committed');
    await session.close();
    const other = rig.session(identity);
    const outcome = await other.start(() => ({ ...firstPosition, incarnation }));
    expect(outcome).toMatchObject({ type: 'diverged', point: 1 });
  });
  test('session: frames that were not durable are sent again after the replica crashed', async () => {
    const { rig, broker } = memoryRig({ durableEvery: 1000 });
    let acks = 0;
    broker.connect().subscribe('afterimage.>', ({ subject }) => {
      if (subject.endsWith('.ack')) acks += 1;
    });
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await session.write({
      type: 'begin',
      sync: 1,
      parentPoint: 0,
      parentChain: Buffer.alloc(32),
      incarnation,
      startedMs: 1,
    });
    for (const name of names(20)) {
      await session.write({ type: 'link', parent: 1, name: Buffer.from(name), node: 2 });
      session.flush();
    }
    // Received and acknowledged as such: that alone must let the agent forget nothing (R11).
    await until(() => rig.port.frames.length >= 20);
    const before = acks;
    await until(() => acks > before);
    rig.crashReplica();
    await session.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') });
    await seen.next('committed');
    expect(rig.port.committed).toEqual(names(20));
    const hellos = seen.events.filter((event) => event.type === 'hello');
    expect(hellos.at(-1)).toMatchObject({ outcome: { type: 'go-on', resumed: true } });
  });

  test('session: while held, writing waits for nothing and the spool takes what memory cannot', async () => {
    const { rig, broker } = memoryRig();
    const session = rig.session(rig.enrol('web'), { memoryBytesMax: 64 * 1024 });
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    broker.down();
    session.hold(true);
    const blocks = Array.from({ length: 64 }, (_, index) => index);
    await session.write(beginOf(1));
    for (const index of blocks) {
      const waits = session.write(randomBlock(index));
      expect(waits).toBeUndefined();
    }
    expect(session.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') })).toBeUndefined();
    expect(readdirSync(join(rig.folder, 'spool'))).toEqual([]);
    session.hold(false);
    broker.up();
    await seen.next('committed');
    const staged = rig.port.blocks.map((block) => block.block);
    expect(staged).toEqual(blocks);
    expect(rig.port.blocks.every((block) => digestOf(block.bytes).equals(block.digest))).toBe(true);
  });

  test('session: a full spool ends the sync while held, and only slows it otherwise', async () => {
    const { rig, broker } = memoryRig();
    const small = { folder: join(rig.folder, 'spool'), bytesMax: 1024 * 1024 };
    const session = rig.session(rig.enrol('web'), { memoryBytesMax: 64 * 1024, spool: small });
    await session.start(() => firstPosition);
    broker.down();
    await session.write(beginOf(1));
    let waits: Promise<void> | undefined;
    for (let index = 0; waits === undefined; index += 1) waits = session.write(randomBlock(index));
    session.hold(true);
    await waits;
    let failure: unknown;
    for (let index = 0; failure === undefined && index < 100; index += 1) {
      failure = await session.write(randomBlock(index))?.catch((error: unknown) => error);
    }
    expect(failure).toMatchObject({ code: 'spool-full' });
    session.drop();
    session.hold(false);
    broker.up();
    const seen = watchEvents(session);
    await writeSync(session, { number: 2, names: names(3) });
    await seen.next('committed');
    expect(rig.port.committed).toEqual(names(3));
  });

  test('session: writing waits for credit while the replica stages slowly', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'), { windowBytes: 512 * 1024 });
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    let open: () => void = () => undefined;
    rig.port.gate = new Promise((resolve) => {
      open = resolve;
    });
    await session.write(beginOf(1));
    let waits: Promise<void> | undefined;
    let written = 0;
    while (waits === undefined) {
      waits = session.write(randomBlock(written));
      written += 1;
      expect(written * BLOCK_BYTES).toBeLessThan(4 * 1024 * 1024);
    }
    open();
    await waits;
    await session.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') });
    await seen.next('committed');
    expect(rig.port.blocks).toHaveLength(written);
  });

  test('session: a dropped sync is abandoned and the next one goes through', async () => {
    const { rig } = memoryRig({ durableEvery: 1000 });
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await session.write(beginOf(1));
    session.flush();
    await until(() => rig.port.frames.length > 0);
    session.drop();
    await writeSync(session, { number: 2, names: names(5) });
    expect((await seen.next('committed')).sync).toBe(2);
    expect(rig.port.abandoned).toHaveLength(1);
    expect(rig.port.committed).toEqual(names(5));
  });

  test('session: a refusal comes with what is wanted, and the next sync goes through', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    rig.port.refuseNext = new AfterimageError('digest-mismatch', 'block 3 of node 7');
    await writeSync(session, { number: 1, names: names(5) });
    const refused = await seen.next('refused');
    expect(refused).toMatchObject({
      sync: 1,
      error: { code: 'digest-mismatch', message: 'block 3 of node 7' },
      wants: [{ node: 7, block: 3 }],
    });
    session.drop();
    await writeSync(session, { number: 2, names: names(5) });
    await seen.next('committed');
  });

  test('session: writing says that the sync is over when its frames are lost on both sides', async () => {
    const { rig } = memoryRig({ durableEvery: 1 });
    const session = rig.session(rig.enrol('web'));
    await session.start(() => firstPosition);
    await session.write(beginOf(1));
    session.flush();
    await until(() => rig.port.frames.length > 0);
    // the answer travels behind the acknowledgement
    await session.has(Buffer.alloc(32));
    await session.has(Buffer.alloc(32));
    await rig.port.abandon('its disk was replaced');
    rig.crashReplica();
    const failure = await waitFailure(() => session.write(randomBlock(1)));
    expect(failure).toMatchObject({ code: 'session-stale' });
    session.drop();
    const seen = watchEvents(session);
    await writeSync(session, { number: 2, names: names(2) });
    await seen.next('committed');
  });

  test('session: stalled and resumed are told, again to whoever connects meanwhile', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session(identity);
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions > 0);
    rig.port.stall(new AfterimageError('storage-full', 'no space'));
    expect((await seen.next('stalled')).error.code).toBe('storage-full');
    await session.close();
    const other = rig.session(identity);
    const seenByOther = watchEvents(other);
    await other.start(() => firstPosition);
    await seenByOther.next('stalled');
    rig.port.resume();
    await seenByOther.next('resumed');
  });

  test('session: questions are answered, also when they are large or many', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    await session.start(() => firstPosition);
    const digests = randomBytes(25_000 * 32);
    const answers = await session.has(digests);
    expect(answers).toHaveLength(25_000);
    expect(answers.every((answer, index) => answer === ((digests[index * 32] ?? 0) & 1))).toBe(
      true,
    );
    const request = { node: 2_000_000, minBytes: 1, averageBytes: 5, maxBytes: 9 };
    const signature = await session.signature(request);
    expect(Buffer.alloc(2_000_000, 5).equals(signature)).toBe(true);
    const pages: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Awaited<ReturnType<typeof session.listState>> = await session.listState(cursor);
      pages.push(page.records[0] ?? -1);
      cursor = page.next;
    }
    expect(pages).toEqual([0, 1, 2]);
  });

  test('session: a question asked across a break is asked again', async () => {
    const { rig, broker } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    await session.start(() => firstPosition);
    broker.down();
    const answer = session.has(Buffer.alloc(64, 1));
    broker.up();
    expect(await answer).toEqual(Uint8Array.of(1, 1));
  });

  test('session: a sync that the operator asks for reaches the agent, or is answered with away', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions > 0);
    const where = { agent: 'web', set: 'files', timeoutMs: 200 };
    await rig.receiver.askSync({ ...where, request: 'job-1' });
    expect((await seen.next('sync-asked')).request).toBe('job-1');
    await session.close();
    await expect(rig.receiver.askSync({ ...where, request: 'job-2' })).rejects.toMatchObject({
      code: 'agent-away',
    });
    await expect(
      rig.receiver.askSync({ ...where, set: 'other', request: 'job-3' }),
    ).rejects.toMatchObject({ code: 'agent-away' });
  });

  test('session: a commit of a sync that was dropped here, and a refused parent, end in a HELLO', async () => {
    const { rig } = memoryRig({ manualCommit: true });
    const session = rig.session(rig.enrol('web'));
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await writeSync(session, { number: 1, names: names(2) });
    await seen.next('sealed');
    session.drop();
    rig.port.commit();
    await seen.next('hello', ({ outcome }) => outcome.type === 'diverged');
    rig.port.refuseNext = new AfterimageError('parent-mismatch', 'another point is the newest');
    const again = watchEvents(session);
    await writeSync(session, { number: 2, names: names(2) });
    await again.next('refused');
    await again.next('hello', ({ outcome }) => outcome.type === 'diverged');
  });

  test('session: a new process of the agent learns what became of the sync of the old one', async () => {
    const { rig } = memoryRig({ manualCommit: true });
    const identity = rig.enrol('web');
    const old = rig.session(identity);
    const seen = watchEvents(old);
    await old.start(() => firstPosition);
    const manifest = await writeSync(old, { number: 1, names: names(2) });
    await seen.next('sealed');
    await old.close();
    const session = rig.session(identity);
    const seenLater = watchEvents(session);
    const started = session.start(() => ({ ...firstPosition, ended: { sync: 1, manifest } }));
    await seenLater.next('away', ({ error }) => error.code === 'timed-out');
    rig.port.commit();
    expect(await started).toMatchObject({ type: 'roll-forward', point: 1 });
  });
});
