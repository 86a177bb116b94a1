/** What the timeline draws, and what of it stands out. */
import { describe, expect, test } from 'vitest';
import { burstBytes, itemsOf, lastBurst, nearest } from '../../console/pages/set/timeline-items.js';
import { type TimelineAnswer, timelineSchema } from '../../shared/api/timeline.js';

const counts = { application: 1, filesystem: 0, crash: 0 };

function timeline(changed: readonly number[], flagged: readonly number[] = []): TimelineAnswer {
  return timelineSchema.parse({
    set: 'shop',
    fromMs: 0,
    toMs: changed.length * 1000,
    bucketMs: 1000,
    firstMs: 0,
    lastMs: changed.length * 1000,
    total: changed.length,
    inRange: changed.length,
    points: null,
    buckets: changed.map((bytes, index) => ({
      fromMs: index * 1000,
      toMs: index * 1000 + 1000,
      points: 1,
      firstPoint: index + 1,
      lastPoint: index + 1,
      changedBytesMax: bytes,
      changedBytesSum: bytes,
      changedNodesSum: 1,
      consistency: counts,
      holds: 0,
      flagged: flagged.includes(index + 1) ? 1 : 0,
      healed: 0,
      unreadable: 0,
    })),
  });
}

const calm = Array.from({ length: 40 }, (_, index) => 20_000 + (index % 7) * 1000);
const MEBIBYTE = 1024 * 1024;

describe('what stands out', () => {
  test('burst: one point of eight times the usual, and none of a calm set', () => {
    expect(lastBurst(itemsOf(timeline(calm)))).toBeUndefined();
    const changed = [...calm.slice(0, 30), 5 * MEBIBYTE, ...calm.slice(30)];
    expect(lastBurst(itemsOf(timeline(changed)))?.point).toBe(31);
  });

  test('burst: the first copy is none, however large', () => {
    expect(lastBurst(itemsOf(timeline([900 * MEBIBYTE, ...calm])))).toBeUndefined();
  });

  test('burst: what an alarm is about stands out whatever its bytes', () => {
    expect(lastBurst(itemsOf(timeline(calm, [12])))?.point).toBe(12);
  });

  test('burst: too few points say nothing of what is usual', () => {
    expect(burstBytes(itemsOf(timeline([1, 2, 900 * MEBIBYTE])))).toBe(Infinity);
  });
});

test('nearest: the item whose time is nearest, and none of none', () => {
  const items = itemsOf(timeline(calm));
  expect(nearest(items, 4400)?.point).toBe(5);
  expect(nearest(items, 1e9)?.point).toBe(40);
  expect(nearest([], 5)).toBeUndefined();
});
