import { describe, expect, test } from 'vitest';
import { type Policy, policySchema } from '../../../shared/api/retention.js';
import {
  type Decision,
  planRetention,
  type PlannedPoint,
} from '../../../replica/retain/plan-retention.js';
import { Seeded } from '../../support/seeded.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Wednesday. */
const start = Date.UTC(2031, 0, 1);

const policyOf = (policy: Partial<Policy>): Policy => policySchema.parse(policy);

function every(stepMs: number, count: number, fromMs = start): PlannedPoint[] {
  return Array.from({ length: count }, (_, at) => ({
    point: at + 1,
    timeMs: fromMs + at * stepMs,
  }));
}

function plan(
  points: readonly PlannedPoint[],
  policy: Partial<Policy> | null,
  more: Partial<Parameters<typeof planRetention>[0]> = {},
): Decision[] {
  const nowMs = (points.at(-1)?.timeMs ?? start) + 1;
  return planRetention({
    points,
    policy: policy === null ? null : policyOf(policy),
    holds: [],
    nowMs,
    ...more,
  });
}

const kept = (decisions: readonly Decision[]): number[] =>
  decisions.filter(({ keep }) => keep).map(({ point }) => point);

describe('a plan of retention', () => {
  test('without a policy: keeps every point, and says that none is set', () => {
    const decisions = plan(every(DAY, 3), null);
    expect(kept(decisions)).toEqual([1, 2, 3]);
    expect(decisions[0]?.rules).toEqual(['no-policy']);
  });

  test.each<[string, Partial<Policy>, PlannedPoint[], number[]]>([
    ['keep-last', { keepLast: 2, intervalMs: HOUR }, every(HOUR, 5), [4, 5]],
    [
      'keep-last, with several an interval',
      { keepLast: 2, intervalMs: HOUR },
      every(20 * MINUTE, 9),
      [4, 7, 9],
    ],
    ['within', { withinMs: 2 * DAY }, every(DAY, 6), [4, 5, 6]],
    ['hourly', { hourly: 2 }, every(30 * MINUTE, 6), [3, 5, 6]],
    ['daily', { daily: 3 }, every(12 * HOUR, 10), [5, 7, 9, 10]],
    ['weekly, from Monday', { weekly: 2 }, every(DAY, 14), [6, 13, 14]],
    ['monthly', { monthly: 2 }, every(10 * DAY, 12), [7, 10, 12]],
    ['yearly', { yearly: 5 }, every(200 * DAY, 5), [1, 3, 5]],
    ['two rules together', { hourly: 1, daily: 2 }, every(6 * HOUR, 8), [1, 5, 8]],
  ])('%s: keeps the first point of each of the newest intervals', (_, policy, points, expected) => {
    expect(kept(plan(points, policy))).toEqual(expected);
  });

  test('every point: is explained by the rules that keep it, or by each that does not', () => {
    const decisions = plan(every(12 * HOUR, 6), { daily: 2, withinMs: HOUR });
    expect(decisions[0]).toEqual({
      point: 1,
      timeMs: start,
      keep: false,
      rules: [],
      because: [
        'within: it is older than 1h before the newest point',
        'daily: the day 2031-01-01 is not among the newest 2 that have points',
      ],
    });
    expect(decisions[3]?.because).toEqual([
      'within: it is older than 1h before the newest point',
      'daily: point 3 stands for the day 2031-01-02',
    ]);
    expect(decisions[4]).toMatchObject({ keep: true, rules: ['daily'] });
    expect(decisions[4]?.because).toEqual(['daily: it stands for the day 2031-01-03 (1 of 2)']);
    expect(decisions[5]?.rules).toEqual(['newest', 'within']);
  });

  test('the newest point, held ones, young ones and those being read: stay whatever the policy (R4)', () => {
    const points = every(DAY, 10);
    const decisions = plan(
      points,
      { yearly: 1, minAgeMs: 2 * DAY },
      {
        holds: [{ hold: 'hold-1', point: 4, reason: 'case 12' }],
        inUse: (point) => point === 6,
      },
    );
    expect(kept(decisions)).toEqual([1, 4, 6, 9, 10]);
    expect(decisions[3]?.because).toEqual(['hold-1 holds it: case 12']);
    expect(decisions[5]?.rules).toEqual(['in-use']);
    expect(decisions[8]?.rules).toEqual(['minimum-age']);
    expect(decisions[9]?.rules).toEqual(['newest', 'minimum-age']);
  });

  test('a set without syncs for a year: loses nothing of its last days', () => {
    const points = every(DAY, 5);
    const policy = { withinMs: 3 * DAY };
    expect(kept(plan(points, policy, { nowMs: start + 370 * DAY }))).toEqual([2, 3, 4, 5]);
  });

  test('a flood of points (R20): evicts none that was kept, however many come in an interval', () => {
    const policy = { keepLast: 4, intervalMs: HOUR, hourly: 6, daily: 3 };
    const good = every(HOUR, 60, start + 10 * MINUTE);
    const last = good.at(-1)?.timeMs ?? 0;
    const before = kept(plan(good, policy));
    const flood = Array.from({ length: 5000 }, (_, at) => ({
      point: good.length + 1 + at,
      timeMs: last + 1 + at * 500,
    }));
    const after = kept(plan([...good, ...flood], policy));
    expect(after.filter((point) => point <= good.length)).toEqual(before);
    expect(after.length).toBe(before.length + 1);
  });

  test('a clock that was ahead for a while: its points do not push out those after it for ever', () => {
    const ahead = every(DAY, 3, start + 3650 * DAY);
    const right = every(DAY, 10).map(({ point, timeMs }) => ({ point: point + 3, timeMs }));
    expect(kept(plan([...ahead, ...right], { daily: 4 }))).toEqual([10, 11, 12, 13]);
  });

  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
  test.each(seeds)(
    'any policy over any points: a second plan removes nothing more, more rules keep more, seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let run = 0; run < 60; run += 1) {
        let timeMs = start;
        const points = Array.from({ length: random.below(80) + 1 }, (_, at) => {
          timeMs += random.below(random.pick([MINUTE, HOUR, DAY, 40 * DAY])) + 1;
          return { point: at * 2 + 1, timeMs };
        });
        const policy = randomPolicy(random);
        const nowMs = timeMs + random.below(DAY);
        const holds = points
          .filter(() => random.chance(0.05))
          .map(({ point }) => ({ hold: 'hold-1', point, reason: 'r' }));
        const first = kept(plan(points, policy, { nowMs, holds }));
        expect(first).toContain(points.at(-1)?.point);
        for (const { point } of holds) expect(first).toContain(point);
        const left = points.filter(({ point }) => first.includes(point));
        expect(kept(plan(left, policy, { nowMs, holds }))).toEqual(first);
        const wider = kept(
          plan(points, { ...policy, daily: (policy.daily ?? 0) + 3 }, { nowMs, holds }),
        );
        expect(wider).toEqual(expect.arrayContaining(first));
      }
    },
  );
});

function randomPolicy(random: Seeded): Partial<Policy> {
  const maybe = (rule: Partial<Policy>): Partial<Policy> => (random.chance(0.4) ? rule : {});
  return {
    ...maybe({ keepLast: random.below(9) + 1, intervalMs: random.below(DAY) + 1000 }),
    ...maybe({ withinMs: random.below(20 * DAY) + 1 }),
    ...maybe({ hourly: random.below(30) + 1 }),
    ...maybe({ daily: random.below(30) + 1 }),
    ...maybe({ weekly: random.below(9) + 1 }),
    ...maybe({ minAgeMs: random.below(3 * DAY) }),
    monthly: random.below(12) + 1,
  };
}
