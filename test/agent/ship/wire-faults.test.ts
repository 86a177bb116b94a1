import { afterEach, describe, expect, test } from 'vitest';
import { createMemoryBroker, seededRandom } from '../../../shared/transport/memory.js';
import { createRig, firstPosition, incarnation, type Rig, until, watchEvents } from './wire-rig.js';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

const begin = {
  type: 'begin',
  sync: 1,
  parentPoint: 0,
  parentChain: Buffer.alloc(32),
  incarnation,
  startedMs: 1,
} as const;

describe('wire under faults', () => {
  const base = Number(process.env['AFTERIMAGE_SEED'] ?? '20260');
  for (const seed of Array.from({ length: 5 }, (_, index) => base + index)) {
    test(`wire: every frame is staged once and in order, under faults of seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const broker = createMemoryBroker({ seed });
      const made = createRig({
        connect: () => broker.connect(),
        set: { durableEvery: 1 + Math.floor(random() * 7) },
      });
      rig = made;
      const session = made.session(made.enrol('web'), { windowBytes: 8 * 1024 });
      const seen = watchEvents(session);
      broker.setFaults({
        drop: random() * 0.1,
        duplicate: random() * 0.2,
        swap: random() * 0.1,
        disconnect: random() * 0.02,
      });
      let position = firstPosition;
      await session.start(() => position);
      await session.write(begin);
      const names = Array.from({ length: 200 }, (_, index) => `${index}-${'x'.repeat(200)}`);
      for (const name of names) {
        await session.write({ type: 'link', parent: 1, name: Buffer.from(name), node: 2 });
        if (random() < 0.7) session.flush();
      }
      const end = { type: 'end', sync: 1, outcome: Buffer.from('{}') } as const;
      position = { ...position, ended: { sync: 1, manifest: session.manifestDigest(end) } };
      await session.write(end);
      // the event, or the HELLO after it got lost
      await Promise.race([
        seen.next('committed'),
        seen.next('hello', ({ outcome }) => outcome.type === 'roll-forward'),
      ]);
      expect(made.port.committed).toEqual(names);
      const sequences = made.port.frames.map((frame) => Number(frame.split('/')[1]));
      expect(sequences).toEqual(sequences.map((_, index) => index + 1));
      expect(made.receiver.counters).toMatchObject({ malformed: 0, overrun: 0 });
      const told = seen.events.map(({ type }) => type);
      for (const type of ['sealed', 'committed'] as const) {
        expect(told.filter((other) => other === type).length).toBeLessThanOrEqual(1);
      }
    });
  }

  for (const seed of [base + 100, base + 101, base + 102]) {
    test(`wire: syncs stay whole when the replica crashes at any time, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const broker = createMemoryBroker({ seed });
      const made = createRig({ connect: () => broker.connect(), set: { durableEvery: 3 } });
      rig = made;
      const session = made.session(made.enrol('web'), { windowBytes: 16 * 1024 });
      const seen = watchEvents(session);
      let crashes = 0;
      let position = firstPosition;
      const learn = (point: number, chain: Buffer) => {
        position = { ...position, point, chain, ended: null };
      };
      session.onEvent((event) => {
        if (event.type === 'committed') learn(event.point, event.chain);
        if (event.type === 'hello' && event.outcome.type === 'roll-forward') {
          learn(event.outcome.point, event.outcome.chain);
        }
      });
      await session.start(() => position);
      const expected: string[] = [];
      for (let sync = 1; sync <= 4; sync += 1) {
        const names = Array.from({ length: 40 }, (_, index) => `${sync}-${index}`);
        await session.write({ ...begin, sync });
        for (const name of names) {
          await session.write({ type: 'link', parent: 1, name: Buffer.from(name), node: 2 });
          if (random() < 0.5) session.flush();
          if (random() < 0.05) {
            await new Promise((resolve) => setImmediate(resolve));
            made.crashReplica();
            crashes += 1;
          }
        }
        const end = { type: 'end', sync, outcome: Buffer.from('{}') } as const;
        position = { ...position, ended: { sync, manifest: session.manifestDigest(end) } };
        await session.write(end);
        expected.push(...names);
        await until(() => position.point === sync);
      }
      expect(crashes).toBeGreaterThan(0);
      expect(made.port.committed).toEqual(expected);
      expect(seen.events.some((event) => event.type === 'refused')).toBe(false);
    });
  }
});
