/** A timeline's sums are those of the points, however points came and went (promise 2). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { columnsOf, type PointColumns } from '../../../replica/history/point-columns.js';
import type { PointSummary } from '../../../replica/history/set-reader.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { drawTimeline, timeSpan } from '../../../replica/history/timeline.js';
import { Seeded } from '../../support/seeded.js';
import { RandomHistory } from '../retain/support/random-history.js';
import { outcome } from '../../model/sync-records.js';

const seed = Number(process.env['SEED'] ?? 11);

test(`columns of points: follow every commit and every removal, asked at any time (seed ${seed})`, async () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-columns-'));
  const history = new RandomHistory(path.join(root, 'set'), seed);
  await history.reopen();
  const reader = new StoredSetReader(history.open.store);
  let asked = 0;
  for (let sync = 1; sync <= 14; sync += 1) {
    await history.sync();
    if (history.random.chance(0.4)) await history.prune(history.some(0.4));
    if (history.random.chance(0.3)) continue;
    asked += 1;
    expect(await reader.table.columns()).toEqual(columnsOf(reader.points()));
    expect(reader.table.count()).toBe(reader.points().length);
    expect(reader.dated()).toEqual(reader.points().map(({ point, timeMs }) => ({ point, timeMs })));
  }
  expect(asked).toBeGreaterThan(5);
  await history.close();
  fs.rmSync(root, { recursive: true, force: true });
});

/** Points with times that go back now and then. */
function points(random: Seeded, count: number): PointSummary[] {
  let timeMs = 1_900_000_000_000;
  return Array.from({ length: count }, (_, at) => {
    timeMs += random.chance(0.1) ? -random.below(100_000) : random.below(60_000);
    const taken = outcome();
    return {
      point: at * 2 + 1,
      timeMs,
      sync: at,
      chain: Buffer.alloc(32),
      manifest: Buffer.alloc(32),
      outcome: {
        ...taken,
        consistency: random.pick(['application', 'filesystem', 'crash'] as const),
        unreadable: random.chance(0.2) ? ['x'] : [],
        ...(random.chance(0.1) ? { healed: 'agent-state-lost' as const } : {}),
      },
      files: 1,
      bytes: 1,
      changedNodes: random.below(50),
      changedBytes: random.below(1_000_000),
    };
  });
}

test(`a timeline: each bucket has the sums of its points, and all points are in one (seed ${seed})`, () => {
  const random = new Seeded(seed);
  for (let round = 0; round < 60; round += 1) {
    const all = points(random, random.below(300));
    const columns: PointColumns = columnsOf(all);
    const span = timeSpan(columns) ?? { firstMs: 0, lastMs: 0 };
    const width = span.lastMs - span.firstMs + 1;
    const fromMs = span.firstMs + random.below(Math.ceil(width / 2));
    const toMs = fromMs + 1 + random.below(width);
    const held = new Set(all.filter(() => random.chance(0.1)).map(({ point }) => point));
    const flagged = new Set(all.filter(() => random.chance(0.1)).map(({ point }) => point));
    const buckets = 1 + random.below(40);
    const drawn = drawTimeline(columns, { fromMs, toMs, buckets, held, flagged, listMax: 50 });
    const inRange = all.filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs);
    expect(drawn.inRange).toBe(inRange.length);
    expect(drawn.buckets.length).toBeLessThanOrEqual(buckets);
    expect(drawn.points).toEqual(
      inRange.length > 50 ? undefined : inRange.map(({ point }) => point),
    );
    expect(drawn.buckets.reduce((sum, bucket) => sum + bucket.points, 0)).toBe(inRange.length);
    for (const bucket of drawn.buckets) {
      const here = inRange.filter((p) => p.timeMs >= bucket.fromMs && p.timeMs < bucket.toMs);
      const count = (holds: (point: PointSummary) => boolean): number => here.filter(holds).length;
      expect(bucket).toEqual({
        fromMs: bucket.fromMs,
        toMs: bucket.toMs,
        points: here.length,
        firstPoint: here[0]?.point,
        lastPoint: here.at(-1)?.point,
        changedBytesMax: Math.max(...here.map((p) => p.changedBytes)),
        changedBytesSum: here.reduce((sum, p) => sum + p.changedBytes, 0),
        changedNodesSum: here.reduce((sum, p) => sum + p.changedNodes, 0),
        consistency: {
          application: count((p) => p.outcome.consistency === 'application'),
          filesystem: count((p) => p.outcome.consistency === 'filesystem'),
          crash: count((p) => p.outcome.consistency === 'crash'),
        },
        holds: count((p) => held.has(p.point)),
        flagged: count((p) => flagged.has(p.point)),
        healed: count((p) => p.outcome.healed !== undefined),
        unreadable: count((p) => p.outcome.unreadable.length > 0),
      });
    }
  }
});
