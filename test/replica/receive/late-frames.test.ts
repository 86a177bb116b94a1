/**
 * What HELLO is told of a sync whose frames are here and not staged yet, or still on the way: it
 * must stay true, since the agent takes back at once what it is told is lost (R13).
 */
import { afterEach, expect, test } from 'vitest';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import type { Transport } from '../../../shared/transport/transport.js';
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

/** Who says HELLO once, however long nothing is heard. */
const calm = { timing: { watchdogMs: 60_000, pingMs: 60_000 } };
const names = ['one', 'two', 'three'];

function memoryRig() {
  const broker = createMemoryBroker();
  const made = createRig({ connect: () => broker.connect() });
  rig = made;
  return { broker, rig: made };
}

/** A set that is busy: frames wait, `open` lets them in. */
function busySet({ port }: Rig): { open: () => void } {
  let open = (): void => undefined;
  port.gate = new Promise((resolve) => (open = resolve));
  return { open };
}

/** Messages on the way up stay on the way while `held`. */
function slowUp(transport: Transport, when: { readonly held: boolean }) {
  const onTheWay: (() => void)[] = [];
  const way = {
    held: when.held,
    arrive() {
      way.held = false;
      for (const publish of onTheWay.splice(0)) publish();
    },
    transport: new Proxy(transport, {
      get(target, key) {
        if (key === 'publish') {
          return (...args: Parameters<Transport['publish']>): void => {
            const publish = (): void => {
              target.publish(...args);
            };
            if (way.held) onTheWay.push(publish);
            else publish();
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
  };
  return way;
}

test('late frames: a sync that waits to be staged goes on after HELLO, and is not sent again', async () => {
  const { rig, broker } = memoryRig();
  const line = broker.connect();
  const session = rig.session(rig.enrol('web'), { ...calm, transport: line });
  const seen = watchEvents(session);
  await session.start(() => firstPosition);
  await until(() => rig.receiver.counters.sessions === 1);
  const set = busySet(rig);
  await writeSync(session, { number: 1, names });
  await until(() => session.traffic?.().unsentBytes === 0 && rig.receiver.counters.frames > 0);
  await line.flush();
  const { frames } = rig.receiver.counters;
  line.disconnect();
  line.reconnect();
  await until(() => session.live);
  expect(seen.events.findLast(({ type }) => type === 'hello')).toMatchObject({
    outcome: { type: 'go-on', resumed: true },
  });
  set.open();
  await seen.next('committed');
  await line.flush();
  expect(rig.port.committed).toEqual(names);
  expect(rig.port.abandoned).toEqual([]);
  expect(rig.receiver.counters.frames).toBe(frames);
});

test('late frames: a new process waits for the frames of the old one, and rolls forward', async () => {
  const { rig, broker } = memoryRig();
  const identity = rig.enrol('web');
  const line = broker.connect();
  const old = rig.session(identity, { ...calm, transport: line });
  await old.start(() => firstPosition);
  await until(() => rig.receiver.counters.sessions === 1);
  const set = busySet(rig);
  const manifest = await writeSync(old, { number: 1, names });
  await until(() => old.traffic?.().unsentBytes === 0 && rig.receiver.counters.frames > 0);
  await line.flush();
  line.disconnect();
  const session = rig.session(identity, calm);
  const seen = watchEvents(session);
  const started = session.start(() => ({ ...firstPosition, ended: { sync: 1, manifest } }));
  await Promise.race([started, seen.next('away', ({ error }) => error.code === 'timed-out')]);
  set.open();
  expect(await started).toMatchObject({ type: 'roll-forward', point: 1 });
  expect(rig.port.committed).toEqual(names);
});

test.each(['in use', 'offered'] as const)(
  'late frames: what a new process was told of the old one’s sync stays true, with a session %s',
  async (which) => {
    const { rig, broker } = memoryRig();
    const identity = rig.enrol('web');
    const line = broker.connect();
    const oldWay = slowUp(line, { held: which === 'offered' });
    const old = rig.session(identity, { ...calm, transport: oldWay.transport });
    await old.start(() => firstPosition);
    if (which === 'in use') await until(() => rig.receiver.counters.sessions === 1);
    await line.flush();
    const before = { ...rig.receiver.counters };
    oldWay.held = true;
    const manifest = await writeSync(old, { number: 1, names });
    const way = slowUp(broker.connect(), { held: true });
    const session = rig.session(identity, { ...calm, transport: way.transport });
    expect(await session.start(() => ({ ...firstPosition, ended: { sync: 1, manifest } }))).toEqual(
      { type: 'go-on', resumed: false },
    );
    oldWay.arrive();
    const { counters } = rig.receiver;
    await until(() => counters.frames + counters.stale > before.frames + before.stale);
    await line.flush();
    expect(counters.frames).toBe(before.frames);
    way.arrive();
    await writeSync(session, { number: 2, names: ['four'] });
    await watchEvents(session).next('committed');
    expect(rig.port.committed).toEqual(['four']);
  },
);
