/**
 * How many points a policy would keep in a year, with points coming as often as they did lately: the
 * points that would come are made up, and the policy is tried on all of them.
 */
import type { Policy, SimulateAnswer } from '../../shared/api/retention.js';
import { type DatedColumns, tryPolicy } from './simulate-retention.js';

type Future = NonNullable<SimulateAnswer['future']>;

const DAY_MS = 86_400_000;
/** Over what time points are counted. */
const MEASURED_MS_MAX = 7 * DAY_MS;
const MEASURED_MS_MIN = 60_000;
/** More points are made up as so many, each of which stands for several. */
const MADE_MAX = 200_000;
/** Rules that keep points by their age keep all that come, not one of an interval. */
const byAge = new Set(['within', 'minimum-age', 'no-policy']);

export async function simulateFuture(of: {
  readonly columns: DatedColumns;
  readonly policy: Policy | null;
  readonly held: ReadonlySet<number>;
  readonly nowMs: number;
  readonly horizonMs: number;
}): Promise<Future> {
  const { columns, horizonMs, nowMs } = of;
  const { perMs, measuredMs } = rateOf(columns);
  const made = Math.round(perMs * horizonMs);
  const shown = Math.min(made, MADE_MAX);
  const each = shown === 0 ? 1 : made / shown;
  const fromMs = Math.max(nowMs, columns.timesMs[columns.count - 1] ?? 0);
  const total = columns.count + shown;
  const points = new Float64Array(total);
  const timesMs = new Float64Array(total);
  for (let at = 0; at < total; at += 1) {
    const next = at - columns.count;
    points[at] = next < 0 ? (columns.points[at] ?? 0) : Infinity;
    timesMs[at] = next < 0 ? (columns.timesMs[at] ?? 0) : fromMs + ((next + 1) * horizonMs) / shown;
  }
  const { keptBy, rules } = await tryPolicy({
    columns: { points, timesMs, count: total },
    ...{ policy: of.policy, held: of.held, nowMs: fromMs + horizonMs },
  });
  const ageBits = rules.reduce(
    (bits, rule, bit) => (byAge.has(rule) ? bits | (1 << bit) : bits),
    0,
  );
  let keep = 0;
  for (let at = 0; at < total; at += 1) {
    const bits = keptBy[at] ?? 0;
    if (bits === 0) continue;
    keep += at >= columns.count && (bits & ageBits) !== 0 ? each : 1;
  }
  return { horizonMs, pointsPerDay: perMs * DAY_MS, measuredMs, made, keep: Math.round(keep) };
}

/** How often points came in the days before the newest. */
function rateOf({ timesMs, count }: DatedColumns): { perMs: number; measuredMs: number } {
  const newestMs = timesMs[count - 1];
  if (newestMs === undefined || count < 2) return { perMs: 0, measuredMs: 0 };
  let first = count - 1;
  while (first > 0 && newestMs - (timesMs[first - 1] ?? 0) <= MEASURED_MS_MAX) first -= 1;
  const measuredMs = Math.max(MEASURED_MS_MIN, newestMs - (timesMs[first] ?? 0));
  return { perMs: (count - 1 - first) / measuredMs, measuredMs };
}
