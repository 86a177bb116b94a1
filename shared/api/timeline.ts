/**
 * Shapes of a set's timeline: all its points, however many, as stretches of time that say how much
 * changed and what was special; and the points one by one where few lie in what was asked for.
 */
import { z } from 'zod';
import { pointSchema } from './points.js';

export const TIMELINE_BUCKETS_MAX = 500;
/** Points come one by one where at most so many lie in the range. */
export const TIMELINE_POINTS_MAX = 200;

const ms = z.coerce.number().int().min(0).max(8_640_000_000_000_000);

/** Left out, `from` is the time of the oldest point, and `to` that of the newest and 1 ms. */
export const timelineQuerySchema = z.object({
  /** Ms since the epoch, inclusive. */
  from: ms.optional(),
  /** Ms since the epoch, exclusive. */
  to: ms.optional(),
  /** Into how many stretches of equal length the range is divided. */
  buckets: z.coerce.number().int().min(1).max(TIMELINE_BUCKETS_MAX).default(200),
});

export const consistencyCountsSchema = z.object({
  application: z.number().int(),
  filesystem: z.number().int(),
  crash: z.number().int(),
});

export const timelineBucketSchema = z.object({
  /** Inclusive. */
  fromMs: z.number(),
  /** Exclusive. */
  toMs: z.number(),
  points: z.number().int().positive(),
  firstPoint: z.number().int().positive(),
  lastPoint: z.number().int().positive(),
  /** Of the point that changed the most bytes. */
  changedBytesMax: z.number(),
  changedBytesSum: z.number(),
  changedNodesSum: z.number(),
  consistency: consistencyCountsSchema,
  /** Points that are held. */
  holds: z.number().int(),
  /** Points with an alarm: far more changed at once than is usual for the set. */
  flagged: z.number().int(),
  /** Points for which everything was compared. */
  healed: z.number().int(),
  /** Points that lack files which could not be read. */
  unreadable: z.number().int(),
});
export type TimelineBucket = z.infer<typeof timelineBucketSchema>;

export const timelinePointSchema = pointSchema.extend({
  held: z.boolean(),
  flagged: z.boolean(),
});
export type TimelinePoint = z.infer<typeof timelinePointSchema>;

export const timelineSchema = z.object({
  set: z.string(),
  /** The range answered: `fromMs` inclusive, `toMs` exclusive. */
  fromMs: z.number(),
  toMs: z.number(),
  /** Length of a bucket. */
  bucketMs: z.number(),
  /** Of all points of the set; null when it has none. */
  firstMs: z.number().nullable(),
  lastMs: z.number().nullable(),
  total: z.number().int(),
  /** Points in the range. */
  inRange: z.number().int(),
  /** Those that have points, oldest first. */
  buckets: z.array(timelineBucketSchema),
  /** Every point of the range, oldest first; null when there are more than `TIMELINE_POINTS_MAX`. */
  points: z.array(timelinePointSchema).nullable(),
});
export type TimelineAnswer = z.infer<typeof timelineSchema>;
