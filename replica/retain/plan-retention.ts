/**
 * Which points stay and which go, and why: a pure function of the points, the policy, the holds and
 * the time, so that it can be tried before it is run.
 *
 * Each counted rule divides time into intervals (of keep-last, hours, days …, UTC) and keeps the
 * *first* point of each of the newest intervals that have points. Whatever an agent sends later in
 * an interval cannot take the place of that point, so a flood of syncs evicts nothing that is good
 * (R20). Times are those of the replica's clock.
 */
import type { Policy } from '../../shared/api/retention.js';
import { intervalRules, type IntervalRule } from './interval-rules.js';

export interface PlannedPoint {
  readonly point: number;
  readonly timeMs: number;
}

export interface RetentionInput {
  /** All points of the set, oldest first. */
  readonly points: readonly PlannedPoint[];
  /** Null keeps all. */
  readonly policy: Policy | null;
  readonly holds: readonly {
    readonly hold: string;
    readonly point: number;
    readonly reason: string;
  }[];
  /** Replica's clock, ms since the epoch. */
  readonly nowMs: number;
  /** Points that somebody reads now, or that a job is to read. */
  readonly inUse?: (point: number) => boolean;
}

export interface Decision extends PlannedPoint {
  readonly keep: boolean;
  /** Names of the rules that keep the point; empty when it goes. */
  readonly rules: readonly string[];
  /** A text for each rule that keeps it, or, when it goes, for each rule that does not. */
  readonly because: readonly string[];
}

/** What a rule says of a point. */
interface Verdict {
  readonly rule: string;
  readonly keep: boolean;
  readonly why: string;
}

/** A decision for every point, in their order. */
export function planRetention(input: RetentionInput): Decision[] {
  const { points, policy } = input;
  const judges = [protections(input), ...(policy === null ? [] : policyRules(points, policy))];
  return points.map((at) => {
    const verdicts = judges.flatMap((judge) => judge(at));
    const keeping = verdicts.filter(({ keep }) => keep);
    const keep = keeping.length > 0;
    return {
      point: at.point,
      timeMs: at.timeMs,
      keep,
      rules: keeping.map(({ rule }) => rule),
      because: (keep ? keeping : verdicts).map(({ why }) => why),
    };
  });
}

type Judge = (at: PlannedPoint) => readonly Verdict[];

/** What keeps a point whatever the policy says. */
function protections({ points, policy, holds, nowMs, inUse }: RetentionInput): Judge {
  const newest = points.at(-1)?.point;
  return ({ point, timeMs }) => {
    const verdicts: Verdict[] = [];
    const keep = (rule: string, why: string): void => {
      verdicts.push({ rule, keep: true, why });
    };
    if (point === newest) keep('newest', 'it is the newest point, which always stays');
    for (const held of holds) {
      if (held.point === point) keep('hold', `${held.hold} holds it: ${held.reason}`);
    }
    if (policy === null) keep('no-policy', 'the set has no policy, which keeps every point');
    else if (policy.minAgeMs > 0 && nowMs - timeMs < policy.minAgeMs) {
      keep('minimum-age', `it is younger than ${duration(policy.minAgeMs)}`);
    }
    if (inUse?.(point) === true) keep('in-use', 'somebody reads it, did a minute ago, or waits to');
    return verdicts;
  };
}

function policyRules(points: readonly PlannedPoint[], policy: Policy): Judge[] {
  const judges = intervalRules(policy).map((rule) => countedRule(points, rule));
  return policy.withinMs === undefined ? judges : [withinRule(points, policy.withinMs), ...judges];
}

/** From the newest point on, not from now: a set whose agent is away keeps its last points. */
function withinRule(points: readonly PlannedPoint[], withinMs: number): Judge {
  const newestMs = points.at(-1)?.timeMs ?? 0;
  return ({ timeMs }) => {
    const keep = newestMs - timeMs <= withinMs;
    const side = keep ? 'not older' : 'older';
    const why = `within: it is ${side} than ${duration(withinMs)} before the newest point`;
    return [{ rule: 'within', keep, why }];
  };
}

interface Interval {
  /** The point that stands for it: the first. */
  readonly first: number;
  readonly label: string;
  rank: number;
}

function countedRule(points: readonly PlannedPoint[], rule: IntervalRule): Judge {
  const intervals = new Map<number, Interval>();
  for (const { point, timeMs } of points) {
    const key = rule.keyOf(timeMs);
    if (!intervals.has(key)) {
      intervals.set(key, { first: point, label: rule.labelOf(timeMs), rank: 0 });
    }
  }
  // The order of points, not of times, says which interval is newer: clocks are set back, too.
  const order = new Set(points.toReversed().map(({ timeMs }) => rule.keyOf(timeMs)));
  let rank = 0;
  for (const key of order) {
    const interval = intervals.get(key);
    rank += 1;
    if (interval !== undefined) interval.rank = rank;
  }
  return ({ point, timeMs }) => {
    const interval = intervals.get(rule.keyOf(timeMs));
    return interval === undefined ? [] : [judge(rule, point, interval)];
  };
}

function judge({ name, count }: IntervalRule, point: number, interval: Interval): Verdict {
  const { first, label, rank } = interval;
  if (rank > count) {
    const why = `${name}: ${label} is not among the newest ${count} that have points`;
    return { rule: name, keep: false, why };
  }
  if (first !== point) {
    return { rule: name, keep: false, why: `${name}: point ${first} stands for ${label}` };
  }
  return { rule: name, keep: true, why: `${name}: it stands for ${label} (${rank} of ${count})` };
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** As it is written on the command line: `7d`, `90m`. */
export function duration(ms: number): string {
  for (const [unit, unitMs] of units) {
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
