/**
 * A set with a real agent, a real replica and everything that watches for mass changes, in one process.
 * The replica's clock is moved by the test.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { AlarmDesk } from '../../../replica/observe/alarm-desk.js';
import { AlarmStore } from '../../../replica/observe/alarm-store.js';
import { MassWatch } from '../../../replica/observe/mass-watch.js';
import type { MassState } from '../../../replica/observe/mass-change.js';
import { Retention } from '../../../replica/retain/retention.js';
import { RetentionStore } from '../../../replica/retain/retention-store.js';
import { SetHouse } from '../../../replica/set-house.js';
import type { Clock } from '../../../shared/clock.js';
import type { AlarmJson } from '../../../shared/api/alarms.js';
import type { HoldJson } from '../../../shared/api/retention.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { type AgentBench, openBench } from '../../agent/support/agent-bench.js';
import { WriterSession } from './writer-session.js';

export interface ObservedSet {
  /** Of the files that are protected. */
  readonly root: string;
  readonly desk: AlarmDesk;
  readonly house: SetHouse;
  readonly bench: AgentBench;
  readonly clock: Clock;
  readonly retention: Retention;
  /** From now on, time passes by so much whenever the replica looks at its clock. */
  tick(ms: number): void;
  /** Moves the replica's clock on. */
  advance(ms: number): void;
  /** Cuts a point after moving the replica's clock on; the point's number. */
  sync(afterMs?: number): Promise<number>;
  alarm(): AlarmJson | undefined;
  state(): MassState;
  /** The highest score of all verdicts so far. */
  readonly score: number;
  /** Milliseconds that looks at syncs took, each. */
  readonly lookMs: readonly number[];
  holds(): HoldJson[];
  close(): Promise<void>;
}

const SET = 'test';

export async function openObservedSet(): Promise<ObservedSet> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-observed-'));
  let nowMs = Date.UTC(2026, 0, 5);
  let tickMs = 0;
  const clock = {
    now: () => nowMs,
    monotonic: () => {
      nowMs += tickMs;
      return nowMs;
    },
  };
  const store = new AlarmStore(':memory:');
  const desk = new AlarmDesk({ store, clock, log: silentLog });
  const holds = new RetentionStore(':memory:');
  const lookMs: number[] = [];
  const failures: unknown[] = [];
  let score = 0;
  const watch = new MassWatch({
    desk,
    store,
    clock,
    log: {
      ...silentLog,
      error: (message, error) => {
        failures.push(error ?? message);
      },
    },
    hold: (request) => retention.hold(request).hold,
    release: (hold) => {
      retention.release({ hold });
    },
    points: () => house.opened[0]?.reader.points().map(({ point }) => point) ?? [],
    onVerdict: (_, verdict) => {
      score = Math.max(score, verdict.score);
    },
  });
  const house: SetHouse = new SetHouse({
    dataFolder: folder,
    core: createHashCore(),
    posix: loadPosix(),
    clock,
    log: silentLog,
    claim: () => undefined,
    admit: () => undefined,
    looksOf: (set) => {
      const looks = watch.looksOf(set);
      return {
        during: (sync) => looks.during(sync),
        whole: async (sync) => {
          const start = performance.now();
          await looks.whole(sync);
          lookMs.push(performance.now() - start);
        },
      };
    },
  });
  const retention = new Retention({
    sets: () => house.opened,
    store: holds,
    clock,
    log: silentLog,
    audit: () => undefined,
  });
  const session = new WriterSession(await house.openFor({ set: SET, agent: 'a' }));
  const bench = openBench({ set: { session } });
  return {
    root: bench.root,
    desk,
    house,
    bench,
    clock,
    retention,
    tick(ms) {
      tickMs = ms;
    },
    advance(ms) {
      nowMs += ms;
    },
    async sync(afterMs = 1000) {
      nowMs += afterMs;
      await bench.sync({ always: true });
      if (failures.length > 0) throw failures[0];
      return house.opened[0]?.reader.newest()?.point ?? 0;
    },
    alarm: () => desk.list({ isOpen: true, kind: 'mass-change', limit: 1 })[0],
    state: () => store.massState(SET),
    get score() {
      return score;
    },
    lookMs,
    holds: () => holds.holds(SET),
    async close() {
      bench.close();
      await house.close();
      store.close();
      holds.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}
