/** Draws a timeline: divides a range of time into buckets and sums up the points of each. Pure. */
import type { TimelineBucket } from '../../shared/api/timeline.js';
import { consistencyOf, isHealed, isUnreadable, type PointColumns } from './point-columns.js';

export interface TimelineRequest {
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly buckets: number;
  /** Points that are held, and those that an alarm is about. */
  readonly held: ReadonlySet<number>;
  readonly flagged: ReadonlySet<number>;
  /** Point numbers of the range are listed when there are at most so many. */
  readonly listMax: number;
}

export interface DrawnTimeline {
  readonly bucketMs: number;
  readonly inRange: number;
  /** Those that have points, oldest first. */
  readonly buckets: TimelineBucket[];
  /** Undefined when there are more. */
  readonly points: number[] | undefined;
}

/** Oldest and newest time; clocks are set back, so these need not be those of the first and last point. */
export function timeSpan({
  timesMs,
}: PointColumns): { readonly firstMs: number; readonly lastMs: number } | undefined {
  if (timesMs.length === 0) return undefined;
  let firstMs = Infinity;
  let lastMs = -Infinity;
  for (const timeMs of timesMs) {
    if (timeMs < firstMs) firstMs = timeMs;
    if (timeMs > lastMs) lastMs = timeMs;
  }
  return { firstMs, lastMs };
}

export function drawTimeline(columns: PointColumns, request: TimelineRequest): DrawnTimeline {
  const { fromMs, toMs, listMax } = request;
  const bucketMs = Math.max(1, Math.ceil((toMs - fromMs) / request.buckets));
  const buckets = new Map<number, TimelineBucket>();
  const points: number[] = [];
  let inRange = 0;
  for (let at = 0; at < columns.count; at += 1) {
    const timeMs = columns.timesMs[at] ?? 0;
    if (timeMs < fromMs || timeMs >= toMs) continue;
    inRange += 1;
    if (inRange <= listMax) points.push(columns.points[at] ?? 0);
    const number = Math.floor((timeMs - fromMs) / bucketMs);
    let bucket = buckets.get(number);
    if (bucket === undefined) {
      bucket = emptyBucket({ number, bucketMs, fromMs, toMs }, columns.points[at] ?? 0);
      buckets.set(number, bucket);
    }
    addPoint(bucket, { columns, at, request });
  }
  const ordered = [...buckets].sort(([a], [b]) => a - b).map(([, bucket]) => bucket);
  return { bucketMs, inRange, buckets: ordered, points: inRange > listMax ? undefined : points };
}

function emptyBucket(
  place: {
    readonly number: number;
    readonly bucketMs: number;
    readonly fromMs: number;
    readonly toMs: number;
  },
  firstPoint: number,
): TimelineBucket {
  const fromMs = place.fromMs + place.number * place.bucketMs;
  return {
    fromMs,
    toMs: Math.min(place.toMs, fromMs + place.bucketMs),
    points: 0,
    firstPoint,
    lastPoint: firstPoint,
    changedBytesMax: 0,
    changedBytesSum: 0,
    changedNodesSum: 0,
    consistency: { application: 0, filesystem: 0, crash: 0 },
    holds: 0,
    flagged: 0,
    healed: 0,
    unreadable: 0,
  };
}

function addPoint(
  bucket: TimelineBucket,
  of: { readonly columns: PointColumns; readonly at: number; readonly request: TimelineRequest },
): void {
  const { columns, at, request } = of;
  const point = columns.points[at] ?? 0;
  const bytes = columns.changedBytes[at] ?? 0;
  const flags = columns.flags[at] ?? 0;
  const consistency = consistencyOf(flags);
  bucket.points += 1;
  bucket.lastPoint = point;
  bucket.changedBytesMax = Math.max(bucket.changedBytesMax, bytes);
  bucket.changedBytesSum += bytes;
  bucket.changedNodesSum += columns.changedNodes[at] ?? 0;
  if (consistency !== undefined) bucket.consistency[consistency] += 1;
  if (request.held.has(point)) bucket.holds += 1;
  if (request.flagged.has(point)) bucket.flagged += 1;
  if (isHealed(flags)) bucket.healed += 1;
  if (isUnreadable(flags)) bucket.unreadable += 1;
}
