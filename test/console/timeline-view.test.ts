/** What the timeline shows and how it moves: pure arithmetic of time. */
import { describe, expect, test } from 'vitest';
import {
  boundsOf,
  centred,
  pan,
  spanOf,
  SPAN_MS_MIN,
  ticksOf,
  within,
  zoom,
} from '../../console/pages/set/timeline-view.js';
import { Seeded } from '../support/seeded.js';

const DAY_MS = 86_400_000;
const bounds = boundsOf(1_000_000_000_000, 1_000_000_000_000 + 30 * DAY_MS);

describe('zoom', () => {
  test('zoom: what is at the anchor stays where it is, until a bound is reached', () => {
    const view = { fromMs: bounds.fromMs + 5 * DAY_MS, toMs: bounds.fromMs + 15 * DAY_MS };
    const anchorMs = view.fromMs + 3 * DAY_MS;
    const next = zoom(view, { factor: 0.5, anchorMs, bounds });
    expect(spanOf(next)).toBe(5 * DAY_MS);
    expect((anchorMs - next.fromMs) / spanOf(next)).toBeCloseTo(0.3);
  });

  test('zoom: never shows less than two seconds or more than there is', () => {
    const anchorMs = bounds.fromMs + DAY_MS;
    expect(spanOf(zoom(bounds, { factor: 1e-12, anchorMs, bounds }))).toBe(SPAN_MS_MIN);
    expect(zoom(bounds, { factor: 100, anchorMs, bounds })).toEqual(bounds);
  });
});

test('moving: any run of zooms and pans stays within the bounds, with whole milliseconds', () => {
  const seed = Date.now() % 100_000;
  const random = new Seeded(seed);
  let view = within(bounds, bounds);
  for (let step = 0; step < 2000; step += 1) {
    const anchorMs = view.fromMs + random.below(1001) * 0.001 * spanOf(view);
    const kind = random.below(3);
    if (kind === 0) view = zoom(view, { factor: 0.3 + random.below(30) / 10, anchorMs, bounds });
    if (kind === 1) view = pan(view, { byMs: (random.below(400) - 200) * DAY_MS * 0.01, bounds });
    if (kind === 2) view = centred(view, { timeMs: anchorMs, share: 0.5, bounds });
    const where = `seed ${seed}, step ${step}: ${JSON.stringify(view)}`;
    expect(view.fromMs, where).toBeGreaterThanOrEqual(bounds.fromMs);
    expect(view.toMs, where).toBeLessThanOrEqual(bounds.toMs);
    expect(spanOf(view), where).toBeGreaterThanOrEqual(SPAN_MS_MIN);
    expect(Number.isInteger(view.fromMs) && Number.isInteger(view.toMs), where).toBe(true);
  }
});

test('ticks: are round, in sight, and no nearer to each other than asked for', () => {
  for (const span of [3000, 60_000, 3_600_000, DAY_MS, 30 * DAY_MS, 700 * DAY_MS]) {
    const view = { fromMs: 1_000_000_123_456, toMs: 1_000_000_123_456 + span };
    const ticks = ticksOf(view, { width: 900, pixels: 90 });
    expect(ticks.length, `span ${span}`).toBeGreaterThan(0);
    expect(ticks.length, `span ${span}`).toBeLessThanOrEqual(12);
    for (const { timeMs } of ticks) {
      expect(timeMs).toBeGreaterThanOrEqual(view.fromMs);
      expect(timeMs).toBeLessThan(view.toMs);
      expect(timeMs % 1000).toBe(0);
    }
  }
});
