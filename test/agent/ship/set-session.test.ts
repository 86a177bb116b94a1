import { afterEach, describe, expect, test } from 'vitest';
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
    const { rig } = memoryRig({ durableEvery: 1000 });
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
    await until(() => rig.port.frames.length >= 20);
    rig.crashReplica();
    await session.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') });
    await seen.next('committed');
    expect(rig.port.committed).toEqual(names(20));
    const hellos = seen.events.filter((event) => event.type === 'hello');
    expect(hellos.at(-1)).toMatchObject({ outcome: { type: 'go-on', resumed: true } });
  });
});
