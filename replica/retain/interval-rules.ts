/** The counted rules of a policy: how each divides time, in UTC, and what it calls an interval. */
import type { Policy } from '../../shared/api/retention.js';

export interface IntervalRule {
  readonly name: string;
  readonly count: number;
  /** The same for times of one interval. */
  readonly keyOf: (timeMs: number) => number;
  readonly labelOf: (timeMs: number) => string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-01 was a Thursday; weeks begin on Monday. */
const EPOCH_WEEKDAY = 3;

const isoText = (timeMs: number, length: number): string =>
  new Date(timeMs).toISOString().slice(0, length);
const dayOf = (timeMs: number): number => Math.floor(timeMs / DAY_MS);
const weekOf = (timeMs: number): number => Math.floor((dayOf(timeMs) + EPOCH_WEEKDAY) / 7);
const yearOf = (timeMs: number): number => new Date(timeMs).getUTCFullYear();

interface NamedInterval extends Omit<IntervalRule, 'count'> {
  readonly key: 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly';
}

const named: readonly NamedInterval[] = [
  {
    key: 'hourly',
    name: 'hourly',
    keyOf: (timeMs) => Math.floor(timeMs / HOUR_MS),
    labelOf: (timeMs) => `the hour ${isoText(timeMs, 13)}`,
  },
  {
    key: 'daily',
    name: 'daily',
    keyOf: dayOf,
    labelOf: (timeMs) => `the day ${isoText(timeMs, 10)}`,
  },
  {
    key: 'weekly',
    name: 'weekly',
    keyOf: weekOf,
    labelOf: (timeMs) =>
      `the week of ${isoText((weekOf(timeMs) * 7 - EPOCH_WEEKDAY) * DAY_MS, 10)}`,
  },
  {
    key: 'monthly',
    name: 'monthly',
    keyOf: (timeMs) => yearOf(timeMs) * 12 + new Date(timeMs).getUTCMonth(),
    labelOf: (timeMs) => `the month ${isoText(timeMs, 7)}`,
  },
  {
    key: 'yearly',
    name: 'yearly',
    keyOf: yearOf,
    labelOf: (timeMs) => `the year ${isoText(timeMs, 4)}`,
  },
];

/** The counted rules that the policy has. */
export function intervalRules(policy: Policy): IntervalRule[] {
  const { keepLast, intervalMs } = policy;
  const rules: IntervalRule[] = named.flatMap(({ key, ...rule }) => {
    const count = policy[key];
    return count === undefined ? [] : [{ ...rule, count }];
  });
  if (keepLast === undefined) return rules;
  const keyOf = (timeMs: number): number => Math.floor(timeMs / intervalMs);
  const labelOf = (timeMs: number): string =>
    `the interval from ${isoText(keyOf(timeMs) * intervalMs, 19)}`;
  return [{ name: 'keep-last', count: keepLast, keyOf, labelOf }, ...rules];
}
