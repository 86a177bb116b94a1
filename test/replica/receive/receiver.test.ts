import { randomBytes } from 'node:crypto';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { loadIdentity } from '../../../agent/ship/identity.js';
import { encodeHeader, messageTypes } from '../../../shared/protocol/frame.js';
import { generateKeyPair } from '../../../shared/seal/key-pair.js';
import { createMemoryBroker, seededRandom } from '../../../shared/transport/memory.js';
import type { Transport, TransportMessage } from '../../../shared/transport/transport.js';
import {
  createRig,
  firstPosition,
  type Rig,
  until,
  watchEvents,
  writeSync,
} from '../../agent/ship/wire-rig.js';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

function memoryRig() {
  const broker = createMemoryBroker();
  const made = createRig({ connect: () => broker.connect() });
  rig = made;
  return { broker, rig: made };
}

/** A busy machine makes no silence: these sessions say HELLO once. */
const calm = { timing: { watchdogMs: 60_000, pingMs: 60_000 } };
/** A transport on which messages of one lane are never heard. */
function deafTo(lane: string, transport: Transport): Transport {
  return new Proxy(transport, {
    get(target, key) {
      if (key === 'subscribe') {
        return (subject: string, handler: (message: TransportMessage) => void) =>
          target.subscribe(subject, subject.endsWith(`.${lane}`) ? () => undefined : handler);
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

const names = ['one', 'two', 'three'];
const up = 'afterimage.acme.web.files.up';
const hello = 'afterimage.acme.web.files.hello';

describe('receiver', () => {
  test('receiver: messages that do not decode are counted and refused', async () => {
    const { rig, broker } = memoryRig();
    const anybody = broker.connect();
    const seed = Number(process.env['AFTERIMAGE_SEED'] ?? '7');
    const random = seededRandom(seed);
    for (let index = 0; index < 300; index += 1) {
      const noise = randomBytes(Math.floor(random() * 200));
      anybody.publish(random() < 0.5 ? up : hello, noise, 'nowhere');
      anybody.publish('afterimage.acme.web.files.has', noise);
    }
    anybody.publish('afterimage.acme.WEB.files.up', Buffer.alloc(60));
    await anybody.flush();
    expect(rig.receiver.counters.malformed).toBe(601);
    expect(rig.receiver.counters.sessions).toBe(0);
  });

  test('receiver: a live session lives on while its messages are forged, damaged and replayed', async () => {
    const { rig, broker } = memoryRig();
    const anybody = broker.connect();
    const sent: TransportMessage[] = [];
    const session = rig.session(rig.enrol('web'), calm);
    anybody.subscribe(up, (message) => sent.push(message));
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await writeSync(session, { number: 1, names });
    await seen.next('committed');
    const recorded = sent.splice(0);
    const before = { ...rig.receiver.counters };
    let damaged = 0;
    for (const message of recorded) {
      anybody.publish(up, message.data);
      for (let byte = 0; byte < message.data.length; byte += 7) {
        const copy = Uint8Array.from(message.data);
        copy[byte] = (copy[byte] ?? 0) ^ 0x40;
        anybody.publish(up, copy);
        damaged += 1;
      }
    }
    await anybody.flush();
    const { malformed, forged, stale } = rig.receiver.counters;
    expect(malformed + forged + stale).toBe(damaged + recorded.length);
    expect(forged).toBeGreaterThanOrEqual(recorded.length);
    expect(rig.receiver.counters.frames).toBe(before.frames);
    await writeSync(session, { number: 2, names });
    await seen.next('committed', (event) => event.sync === 2);
    expect(seen.events.some((event) => event.type === 'away')).toBe(false);
  });

  test('receiver: a header that is well formed under a wrong key is forged', async () => {
    const { rig, broker } = memoryRig();
    const anybody = broker.connect();
    const session = rig.session(rig.enrol('web'), calm);
    const ids = new Set<string>();
    anybody.subscribe(up, (message) => {
      ids.add(Buffer.from(message.data).toString('hex', 8, 16));
    });
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    const id = [...ids][0] ?? '';
    for (const type of Object.keys(messageTypes) as (keyof typeof messageTypes)[]) {
      const header = encodeHeader({
        type,
        compressed: false,
        restart: false,
        session: id,
        sequence: 1,
        counter: 1_000,
        recordCount: 0,
        rawLength: 8,
        bodyLength: 8,
      });
      anybody.publish(up, Buffer.concat([header, Buffer.alloc(24)]), 'nowhere');
    }
    await anybody.flush();
    expect(rig.receiver.counters.forged).toBe(6);
    expect(rig.receiver.counters.malformed).toBe(3);
    expect(session.live).toBe(true);
  });

  test('receiver: a HELLO that is sent again disturbs no live session', async () => {
    const { rig, broker } = memoryRig();
    const anybody = broker.connect();
    const hellos: TransportMessage[] = [];
    anybody.subscribe(hello, (message) => hellos.push(message));
    const identity = rig.enrol('web');
    const session = rig.session(identity, calm);
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1 && hellos.length > 0);
    for (let round = 0; round < 20; round += 1) {
      for (const message of hellos.slice(0, 1)) {
        await anybody.request(hello, message.data, 1000);
      }
    }
    await writeSync(session, { number: 1, names });
    await seen.next('committed');
    expect(rig.receiver.counters.sessions).toBe(1);
    expect(seen.events.some((event) => event.type === 'away')).toBe(false);
    // and not after a restart of the replica, which has forgotten that it saw it
    rig.crashReplica();
    for (const message of hellos.slice(0, 1)) {
      await anybody.request(hello, message.data, 1000);
    }
    await session.close();
    const position = { ...firstPosition, ...rig.port.position() };
    await rig.session(identity).start(() => position);
    await until(() => rig.receiver.counters.sessions >= 1);
  });

  test('receiver: a copy of an identity is found out, and the operator decides', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const original = rig.session(identity, calm);
    await original.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    cpSync(join(rig.folder, 'web'), join(rig.folder, 'clone'), { recursive: true });
    // the original goes on: the copy's token is an old one by now
    await original.close();
    const second = rig.session(identity, { timing: { watchdogMs: 2000, pingMs: 50 } });
    await second.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 2);
    const clone = rig.session(loadIdentity(join(rig.folder, 'clone')));
    const seenByClone = watchEvents(clone);
    const started = clone.start(() => firstPosition);
    const away = await seenByClone.next('away', ({ error }) => error.code === 'identity-in-use');
    expect(away.error.message).toContain('web');
    expect(second.live).toBe(true);
    rig.catalog.adoptAgent('web');
    expect(await started).toEqual({ type: 'go-on', resumed: false });
    await until(() => !second.live);
  });

  test('receiver: a copy that comes while the original is connected is refused, ever after too (R14)', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const original = rig.session(identity);
    const seenByOriginal = watchEvents(original);
    await original.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    // its token is the newest there is
    cpSync(join(rig.folder, 'web'), join(rig.folder, 'clone'), { recursive: true });
    const clone = rig.session(loadIdentity(join(rig.folder, 'clone')));
    const seenByClone = watchEvents(clone);
    const started = clone.start(() => firstPosition);
    const { error } = await seenByClone.next('away');
    expect(error.code).toBe('identity-in-use');
    expect(error.hint).toContain('--adopt');
    expect(rig.receiver.sessions()[0]?.refused?.code).toBe('identity-in-use');
    // the original's token is another one by now: who comes first after a restart does not matter
    await until(() => rig.receiver.counters.sessions >= 2 && original.live);
    const cloneToken = loadIdentity(join(rig.folder, 'clone')).readTokens('files')?.newest;
    expect(identity.readTokens('files')?.newest).not.toBe(cloneToken);
    rig.crashReplica();
    await seenByOriginal.next('hello', () => original.live);
    await until(() => original.live);
    expect(clone.live).toBe(false);
    rig.catalog.adoptAgent('web');
    expect(await started).toEqual({ type: 'go-on', resumed: false });
    const out = await seenByOriginal.next(
      'away',
      (event) => event.error.code === 'identity-in-use',
    );
    expect(out.error.message).toContain('web');
    expect(clone.live).toBe(true);
  });

  test('receiver: a catalog out of an older copy takes the newest token, also from a copy that came first (R14)', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const first = rig.session(identity);
    await first.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    await first.close();
    cpSync(join(rig.folder, 'web'), join(rig.folder, 'clone'), { recursive: true });
    const clone = rig.session(loadIdentity(join(rig.folder, 'clone')));
    const seenByClone = watchEvents(clone);
    await clone.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 2);
    // given since the copy of the catalog was made
    const newest = rig.mint.issue(1000, { agent: 'web', set: 'files' });
    identity.writeTokens('files', { newest, confirmed: null });
    const original = rig.session(identity);
    const seenByOriginal = watchEvents(original);
    expect(await original.start(() => firstPosition)).toEqual({ type: 'go-on', resumed: false });
    await seenByClone.next('away', ({ error }) => error.code === 'identity-in-use');
    expect(original.live).toBe(true);
    expect(seenByOriginal.events.some(({ type }) => type === 'away')).toBe(false);
  });

  test('receiver: an agent that was killed is let in again at once (R14)', async () => {
    const { rig, broker } = memoryRig();
    const identity = rig.enrol('web');
    const killed = rig.session(identity, { ...calm, transport: deafTo('ctl', broker.connect()) });
    await killed.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    const again = rig.session(identity, calm);
    const seen = watchEvents(again);
    expect(await again.start(() => firstPosition)).toEqual({ type: 'go-on', resumed: false });
    expect(seen.events.some((event) => event.type === 'away')).toBe(false);
  });

  test('receiver: it tells how well an agent knows its set, and that it left', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    let watch = { continuityMs: 0, behindMs: 7 };
    await session.start(() => ({ ...firstPosition, watch }));
    await until(() => rig.receiver.sessions()[0]?.watch?.behindMs === 7);
    watch = { continuityMs: 90_000, behindMs: 0 };
    await until(() => rig.receiver.sessions()[0]?.watch?.continuityMs === 90_000);
    await session.close();
    await until(() => rig.receiver.sessions()[0]?.live === false);
    expect(rig.receiver.sessions()[0]?.watch).toBeNull();
  });

  test('receiver: a sync asked for while the agent says HELLO again is not forgotten', async () => {
    const { rig, broker } = memoryRig();
    const session = rig.session(rig.enrol('web'), calm);
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    broker.down();
    const asked = rig.receiver.askSync({
      agent: 'web',
      set: 'files',
      request: 'now',
      timeoutMs: 4000,
    });
    broker.up();
    await asked;
    await seen.next('sync-asked');
    expect(rig.receiver.counters.sessions).toBe(2);
  });

  test('receiver: the older session is fenced when the newer one is used', async () => {
    const { rig, broker } = memoryRig();
    const identity = rig.enrol('web');
    // deaf: its process hangs, and cannot say that it lives
    const first = rig.session(identity, { ...calm, transport: deafTo('ctl', broker.connect()) });
    await first.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    const second = rig.session(identity);
    const seen = watchEvents(second);
    await second.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 2);
    await first.write({ type: 'link', parent: 1, name: Buffer.from('fenced'), node: 2 });
    first.flush();
    await until(() => rig.receiver.counters.stale > 0);
    await first.close();
    await writeSync(second, { number: 1, names });
    await seen.next('committed');
    expect(rig.port.committed).toEqual(names);
  });

  test('receiver: an agent without enrolment, or with another key, is not let in', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    await rig.session(identity).start(() => firstPosition);
    for (const stranger of [
      { ...identity, keys: generateKeyPair(), rotation: undefined },
      { ...identity, agent: 'nobody', rotation: undefined },
    ]) {
      const session = rig.session(stranger);
      const seen = watchEvents(session);
      void session.start(() => firstPosition);
      const away = await seen.next('away');
      expect(away.error.code).toBe('identity-unknown');
      await session.close();
    }
  });

  test('receiver: a replica that is not the enrolled one learns nothing and is not believed', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session({
      ...identity,
      replicaPublicKey: generateKeyPair().publicKey,
      rotation: undefined,
    });
    const seen = watchEvents(session);
    void session.start(() => firstPosition);
    expect((await seen.next('away')).error.code).toBe('identity-unknown');
    expect(rig.receiver.counters.forged).toBeGreaterThan(0);
  });

  test('receiver: a set of another agent is refused', async () => {
    const { rig } = memoryRig();
    await rig.session(rig.enrol('web')).start(() => firstPosition);
    const other = rig.session(rig.enrol('mail'));
    const seen = watchEvents(other);
    void other.start(() => firstPosition);
    expect((await seen.next('away')).error.code).toBe('set-owned');
  });

  test('receiver: it tells who is connected', async () => {
    const { rig } = memoryRig();
    const session = rig.session(rig.enrol('web'));
    await session.start(() => firstPosition);
    await until(() => rig.receiver.sessions()[0]?.live === true);
    expect(rig.receiver.sessions()).toMatchObject([{ agent: 'web', set: 'files', live: true }]);
  });
});
