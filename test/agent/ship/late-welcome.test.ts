/**
 * A HELLO that travels while the agent goes on: its answer is about what it said, and about nothing
 * that was begun since (R13).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import type { Transport } from '../../../shared/transport/transport.js';
import { openBench } from '../support/agent-bench.js';
import { createRig, firstPosition, type Rig, until, watchEvents, writeSync } from './wire-rig.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The replica answers a HELLO at once; `hold` keeps the answers on the way until `release`. */
function heldAnswers(transport: Transport) {
  let held: Promise<void> = Promise.resolve();
  let release = (): void => undefined;
  const way = {
    waiting: 0,
    hold() {
      held = new Promise((resolve) => (release = resolve));
    },
    release: () => {
      release();
    },
    transport: new Proxy(transport, {
      get(target, key) {
        if (key === 'request') {
          return async (...args: Parameters<Transport['request']>) => {
            const answer = await target.request(...args);
            if (!args[0].endsWith('.hello')) return answer;
            way.waiting += 1;
            await held;
            way.waiting -= 1;
            return answer;
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
  };
  return way;
}

/** A session over a broker in memory that says HELLO only when told to. */
function startWire() {
  const broker = createMemoryBroker();
  const rig: Rig = createRig({ connect: () => broker.connect() });
  closing.push(() => rig.close());
  const line = broker.connect();
  const way = heldAnswers(line);
  const calm = { watchdogMs: 60_000, pingMs: 60_000, helloTimeoutMs: 60_000 };
  const session = rig.session(rig.enrol('web'), { transport: way.transport, timing: calm });
  const sayHelloAgain = (): void => {
    line.disconnect();
    line.reconnect();
  };
  return { rig, way, session, sayHelloAgain };
}

test('late welcome: a sync that was begun and ended while HELLO travelled is not lost by its answer', async () => {
  const { rig, way, session, sayHelloAgain } = startWire();
  const bench = openBench({ set: { session } });
  closing.push(() => {
    bench.close();
  });
  const { state } = bench.set;
  await session.start(() => state.position());
  const seen = watchEvents(session);
  way.hold();
  sayHelloAgain();
  await until(() => way.waiting === 1);
  writeFileSync(join(bench.root, 'file'), 'x');
  const synced = bench.sync();
  await until(() => state.flight?.phase === 'ended');
  way.release();
  expect(await synced).toMatchObject({ type: 'committed', sync: 1, point: 1 });
  expect(state.committed.chain).toEqual(rig.port.position().chain);
  expect(seen.events.filter(({ type }) => type === 'hello')).toHaveLength(1);
});

test('late welcome: a divergence of a state that was left while HELLO travelled is not told', async () => {
  const { rig, way, session, sayHelloAgain } = startWire();
  const seen = watchEvents(session);
  let position = firstPosition;
  await session.start(() => position);
  await writeSync(session, { number: 1, names: ['a'] });
  const { point, chain } = await seen.next('committed');
  // the agent compares itself with the replica: it is at no point until it has taken everything
  way.hold();
  sayHelloAgain();
  await until(() => way.waiting === 1);
  position = { ...position, point, chain };
  way.release();
  await until(() => session.live);
  const outcomes = seen.events.flatMap((event) => (event.type === 'hello' ? [event.outcome] : []));
  expect(outcomes.map(({ type }) => type)).toEqual(['go-on', 'go-on']);
  expect(rig.receiver.counters.hellos).toBe(3);
});
