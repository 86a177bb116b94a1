/** Answers what a policy would do to a set: which points would stay, by which rule, and what would be freed. */
import {
  type Policy,
  type SimulateAnswer,
  SIMULATED_KEPT_MAX,
} from '../../shared/api/retention.js';
import type { PointColumns } from '../history/point-columns.js';
import type { IndexDb } from '../index/index-db.js';
import { freedBy } from './simulate-freed.js';
import { simulateFuture } from './simulate-future.js';
import { rulesOf, type Trial, tryPolicy } from './simulate-retention.js';

export interface SimulateOptions {
  readonly policy: Policy | null;
  /** As if it were then, ms since the epoch. */
  readonly atMs: number;
  readonly horizonMs?: number | undefined;
  readonly buckets: number;
}

interface Subject {
  readonly set: string;
  readonly index: IndexDb;
  readonly columns: PointColumns;
  /** Points that are held. */
  readonly held: ReadonlySet<number>;
  /** Of today. */
  readonly policy: Policy | null;
}

/** What would be freed is told when it is found out within this. */
const FREED_MS_MAX = 200;

export async function simulateRetention(
  subject: Subject,
  options: SimulateOptions,
): Promise<SimulateAnswer> {
  const { columns, held } = subject;
  const { policy, atMs, horizonMs } = options;
  const trial = await tryPolicy({ columns, held, policy, nowMs: atMs });
  const today = await tryPolicy({ columns, held, policy: subject.policy, nowMs: atMs });
  const kept = positionsKept(trial);
  const points = kept.map((at) => columns.points[at] ?? 0);
  const shown = kept.slice(-SIMULATED_KEPT_MAX);
  const freed =
    kept.length === columns.count
      ? { atticBytes: 0, packBytes: 0, files: 0 }
      : await freedBy(subject.index, points, performance.now() + FREED_MS_MAX);
  return {
    set: subject.set,
    atMs,
    total: columns.count,
    keep: kept.length,
    go: columns.count - kept.length,
    goOnlyNow: countOnly(trial.keptBy, today.keptBy),
    byRule: countRules(trial),
    buckets: bucketsOf(columns, trial, options.buckets),
    kept: shown.map((at) => ({
      point: columns.points[at] ?? 0,
      timeMs: columns.timesMs[at] ?? 0,
      rules: rulesOf(trial, at),
    })),
    keptLeftOut: kept.length - shown.length,
    oldestKeptMs: columns.timesMs[kept[0] ?? -1] ?? null,
    freed: freed ?? null,
    future:
      horizonMs === undefined
        ? null
        : await simulateFuture({ columns, held, policy, nowMs: atMs, horizonMs }),
  };
}

function positionsKept({ keptBy }: Trial): number[] {
  const kept: number[] = [];
  for (let at = 0; at < keptBy.length; at += 1) if (keptBy[at] !== 0) kept.push(at);
  return kept;
}

/** Points that go by `trial` and stay by `today`. */
function countOnly(trial: Uint16Array, today: Uint16Array): number {
  let count = 0;
  for (let at = 0; at < trial.length; at += 1) if (trial[at] === 0 && today[at] !== 0) count += 1;
  return count;
}

function countRules({ rules, keptBy }: Trial): SimulateAnswer['byRule'] {
  const counts = rules.map((rule) => ({ rule, points: 0, alone: 0 }));
  for (const bits of keptBy) {
    if (bits === 0) continue;
    for (const [bit, count] of counts.entries()) {
      if ((bits & (1 << bit)) === 0) continue;
      count.points += 1;
      if (bits === 1 << bit) count.alone += 1;
    }
  }
  return counts;
}

function bucketsOf(
  columns: PointColumns,
  { keptBy }: Trial,
  buckets: number,
): SimulateAnswer['buckets'] {
  let [fromMs, lastMs] = [Infinity, -Infinity];
  for (const timeMs of columns.timesMs) {
    fromMs = Math.min(fromMs, timeMs);
    lastMs = Math.max(lastMs, timeMs);
  }
  if (columns.count === 0) return [];
  const bucketMs = Math.max(1, Math.ceil((lastMs + 1 - fromMs) / buckets));
  const found = new Map<number, SimulateAnswer['buckets'][number]>();
  for (let at = 0; at < columns.count; at += 1) {
    const number = Math.floor(((columns.timesMs[at] ?? 0) - fromMs) / bucketMs);
    let bucket = found.get(number);
    if (bucket === undefined) {
      const beginMs = fromMs + number * bucketMs;
      bucket = { fromMs: beginMs, toMs: beginMs + bucketMs, keep: 0, go: 0 };
      found.set(number, bucket);
    }
    if (keptBy[at] === 0) bucket.go += 1;
    else bucket.keep += 1;
  }
  return [...found].sort(([a], [b]) => a - b).map(([, bucket]) => bucket);
}
