/** A trial of a policy says what the plan does, at any size, and touches nothing (R20). */
import { describe, expect, test } from 'vitest';
import { type Policy, policySchema } from '../../../shared/api/retention.js';
import { planRetention, type PlannedPoint } from '../../../replica/retain/plan-retention.js';
import { simulateFuture } from '../../../replica/retain/simulate-future.js';
import {
  type DatedColumns,
  rulesOf,
  tryPolicy,
} from '../../../replica/retain/simulate-retention.js';
import { Seeded } from '../../support/seeded.js';
import { RetainedSet, START_MS } from './support/retained-set.js';

const seed = Number(process.env['SEED'] ?? 31);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function columnsOf(points: readonly PlannedPoint[]): DatedColumns {
  return {
    count: points.length,
    points: points.map(({ point }) => point),
    timesMs: points.map(({ timeMs }) => timeMs),
  };
}

function randomPolicy(random: Seeded): Policy {
  const maybe = (make: () => number): number | undefined =>
    random.chance(0.4) ? make() : undefined;
  const some = (): number => 1 + random.below(20);
  const policy = {
    ...{ keepLast: maybe(some), hourly: maybe(some), daily: maybe(some), weekly: maybe(some) },
    ...{
      monthly: maybe(some),
      yearly: maybe(some),
      withinMs: maybe(() => random.below(3 * DAY) + 1),
    },
    minAgeMs: random.chance(0.3) ? random.below(DAY) : 0,
    intervalMs: 1000 + random.below(2 * HOUR),
  };
  const given = Object.entries(policy).filter(([, value]) => value !== undefined);
  const parsed = policySchema.safeParse(Object.fromEntries(given));
  return parsed.success ? parsed.data : randomPolicy(random);
}

describe('a trial of a policy', () => {
  test(`random points, policies and holds: the same decisions as the plan (seed ${seed})`, async () => {
    const random = new Seeded(seed);
    let gone = 0;
    for (let round = 0; round < 150; round += 1) {
      let timeMs = START_MS;
      const points = Array.from({ length: random.below(120) }, (_, at) => {
        timeMs += random.chance(0.05)
          ? -random.below(2 * DAY)
          : random.below(random.below(DAY) + 1);
        return { point: at * 3 + 2, timeMs };
      });
      const policy = random.chance(0.05) ? null : randomPolicy(random);
      const held = points.filter(() => random.chance(0.05)).map(({ point }) => point);
      const nowMs = timeMs + random.below(DAY);
      const holds = held.map((point) => ({ hold: 'hold-1', point, reason: 'x' }));
      const planned = planRetention({ points, policy, holds, nowMs });
      const trial = await tryPolicy({
        ...{ columns: columnsOf(points), policy, nowMs },
        held: new Set(held),
      });
      for (const [at, { point, rules, keep }] of planned.entries()) {
        expect(new Set(rulesOf(trial, at)), `point ${point}`).toEqual(new Set(rules));
        gone += keep ? 0 : 1;
      }
    }
    expect(gone).toBeGreaterThan(500);
  });

  test('the future: is what the plan keeps of points that came on as they did', async () => {
    const points = Array.from({ length: 200 }, (_, at) => ({
      point: at + 1,
      timeMs: START_MS + at * HOUR,
    }));
    const nowMs = START_MS + 199 * HOUR;
    const policy = policySchema.parse({ withinMs: 2 * DAY, daily: 30, monthly: 12 });
    const horizonMs = 100 * DAY;
    const future = await simulateFuture({
      ...{ columns: columnsOf(points), policy, held: new Set<number>([3]), nowMs, horizonMs },
    });
    const all = Array.from({ length: 200 + 2400 }, (_, at) => ({
      point: at + 1,
      timeMs: START_MS + at * HOUR,
    }));
    const kept = planRetention({
      ...{ points: all, policy, nowMs: nowMs + horizonMs },
      holds: [{ hold: 'hold-1', point: 3, reason: 'x' }],
    }).filter(({ keep }) => keep);
    expect(future).toEqual({
      ...{ horizonMs, pointsPerDay: 24, measuredMs: 7 * DAY, made: 2400 },
      keep: kept.length,
    });
  });

  test('points that come every second: a year of them is told without making each', async () => {
    const points = Array.from({ length: 600 }, (_, at) => ({
      point: at + 1,
      timeMs: START_MS + at * 1000,
    }));
    const policy = policySchema.parse({ withinMs: HOUR, daily: 30 });
    const future = await simulateFuture({
      ...{ columns: columnsOf(points), policy, held: new Set<number>() },
      ...{ nowMs: START_MS + 600_000, horizonMs: 365 * DAY },
    });
    expect(future.made).toBe(365 * 86_400);
    expect(Math.abs(future.keep - (3600 + 30))).toBeLessThan(200);
  });

  test('of a set: says what goes, what that frees, and what only today keeps; nothing is changed', async () => {
    const set = await RetainedSet.create(12, seed);
    set.retention.setPolicy('model', policySchema.parse({ keepLast: 8, intervalMs: HOUR }));
    set.retention.hold({ set: 'model', point: 2, reason: 'the last good one' });
    const policy = policySchema.parse({ keepLast: 3, intervalMs: HOUR });
    const before = set.points;
    const told = await set.retention.simulate('model', { policy, buckets: 4 });
    expect(set.points).toEqual(before);
    expect(told).toMatchObject({
      ...{ total: 12, keep: 4, go: 8, goOnlyNow: 5, keptLeftOut: 0, future: null },
      kept: [
        { point: 2, rules: ['hold'] },
        { point: 10, rules: ['keep-last'] },
        { point: 11, rules: ['keep-last'] },
        { point: 12, rules: ['newest', 'keep-last'] },
      ],
      oldestKeptMs: START_MS + HOUR,
    });
    expect(told.byRule).toEqual([
      { rule: 'newest', points: 1, alone: 0 },
      { rule: 'hold', points: 1, alone: 1 },
      { rule: 'keep-last', points: 3, alone: 2 },
    ]);
    expect(told.buckets.map(({ keep, go }) => [keep, go])).toEqual([
      [1, 2],
      [0, 3],
      [0, 3],
      [3, 0],
    ]);
    set.retention.setPolicy('model', policy);
    const attic = set.opened.reader.space().atticBytes;
    for await (const line of set.retention.prune('model', {
      ...{ effect: 'remove', by: 'test', signal: new AbortController().signal },
    })) {
      if (line.type !== 'pruned') continue;
      expect(line.removed).toBe(told.go);
      expect(line.files).toBe(told.freed?.files);
    }
    expect(attic - set.opened.reader.space().atticBytes).toBe(told.freed?.atticBytes);
    expect(told.freed?.packBytes).toBeGreaterThan(0);
    await set.close();
  });
});
