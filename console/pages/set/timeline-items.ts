/**
 * What the timeline draws: points one by one where few are in sight, else stretches of many. Both are
 * items with the same facts, so that everything else need not tell them apart. Pure.
 */
import type {
  TimelineAnswer,
  TimelineBucket,
  TimelinePoint,
} from '../../../shared/api/timeline.js';
import type { Consistency } from '../../parts/marks.js';

export interface TimelineItem {
  /** Of the point, or the middle of the stretch. */
  readonly timeMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Set for a single point. */
  readonly point: number | undefined;
  readonly points: number;
  readonly firstPoint: number;
  readonly lastPoint: number;
  /** Of the point that changed the most. */
  readonly changedBytes: number;
  readonly changedNodes: number;
  readonly consistency: Readonly<Record<Consistency, number>>;
  readonly holds: number;
  /** Points with an alarm. */
  readonly flagged: number;
  readonly healed: number;
  readonly unreadable: number;
  /** Undefined for stretches. */
  readonly single: TimelinePoint | undefined;
}

/** Oldest first. */
export function itemsOf({ points, buckets }: TimelineAnswer): TimelineItem[] {
  const items = points === null ? buckets.map(ofBucket) : points.map(ofPoint);
  return items.sort((a, b) => a.timeMs - b.timeMs);
}

function ofPoint(single: TimelinePoint): TimelineItem {
  const { point, timeMs, changedBytes, changedNodes, consistency } = single;
  return {
    timeMs,
    fromMs: timeMs,
    toMs: timeMs,
    point,
    points: 1,
    firstPoint: point,
    lastPoint: point,
    changedBytes,
    changedNodes,
    consistency: { application: 0, filesystem: 0, crash: 0, [consistency]: 1 },
    holds: single.held ? 1 : 0,
    flagged: single.flagged ? 1 : 0,
    healed: single.healed === null ? 0 : 1,
    unreadable: single.unreadable > 0 ? 1 : 0,
    single,
  };
}

function ofBucket(bucket: TimelineBucket): TimelineItem {
  const { fromMs, toMs, points, firstPoint, lastPoint, consistency } = bucket;
  return {
    timeMs: (fromMs + toMs) / 2,
    fromMs,
    toMs,
    point: points === 1 ? firstPoint : undefined,
    points,
    firstPoint,
    lastPoint,
    changedBytes: bucket.changedBytesMax,
    changedNodes: bucket.changedNodesSum,
    consistency,
    holds: bucket.holds,
    flagged: bucket.flagged,
    healed: bucket.healed,
    unreadable: bucket.unreadable,
    single: undefined,
  };
}

const ITEMS_MIN = 8;
const TIMES = 8;
const BYTES_MIN = 256 * 1024;

/**
 * From how many bytes on a change stands out: eight times what nine of ten items stay below. The
 * first copy is no change, so the oldest item does not count. Infinity where there is too little to say.
 */
export function burstBytes(items: readonly TimelineItem[]): number {
  if (items.length < ITEMS_MIN) return Infinity;
  const sizes = items
    .slice(1)
    .map(({ changedBytes }) => changedBytes)
    .sort((a, b) => a - b);
  const usual = sizes[Math.floor((sizes.length - 1) * 0.9)] ?? 0;
  return Math.max(BYTES_MIN, usual * TIMES);
}

/** The newest item that stands out, by its bytes or by an alarm; the oldest one never does. */
export function lastBurst(items: readonly TimelineItem[]): TimelineItem | undefined {
  const from = burstBytes(items);
  return items.slice(1).findLast((item) => item.flagged > 0 || item.changedBytes >= from);
}

/** The item whose time is nearest. */
export function nearest(items: readonly TimelineItem[], timeMs: number): TimelineItem | undefined {
  let best: TimelineItem | undefined;
  for (const item of items) {
    if (best === undefined || away(item, timeMs) < away(best, timeMs)) best = item;
  }
  return best;
}

function away(item: TimelineItem, timeMs: number): number {
  return Math.abs(item.timeMs - timeMs);
}
