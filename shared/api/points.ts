/** Shapes of what the API says about points. Digests are in hex, times ms since the epoch. */
import { z } from 'zod';
import { consistencies, divergences, syncOutcomeSchema } from '../protocol/sync-outcome.js';

export const pointSchema = z.object({
  point: z.number().int().positive(),
  timeMs: z.number(),
  sync: z.number().int().nonnegative(),
  consistency: z.enum(consistencies),
  operation: z.string(),
  recipe: z.string(),
  heldMs: z.number(),
  files: z.number().int().nonnegative(),
  bytes: z.number().nonnegative(),
  changedNodes: z.number().int().nonnegative(),
  changedBytes: z.number().nonnegative(),
  /** Why everything was compared for this point; null when it was not. */
  healed: z.enum(divergences).nullable(),
  /** Files that could not be read: the point has their previous state or lacks them. */
  unreadable: z.number().int().nonnegative(),
});
export type PointJson = z.infer<typeof pointSchema>;

export const pointDetailSchema = pointSchema.extend({
  set: z.string(),
  chain: z.string(),
  manifest: z.string(),
  outcome: syncOutcomeSchema,
});
export type PointDetail = z.infer<typeof pointDetailSchema>;

/**
 * Newest last; `limit` counts from the newest, or, with `after` alone, from the first after it.
 * `before` and `after` are point selectors, both exclusive; a time means the point that is the newest then.
 */
export const pointsQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(100_000).default(1000),
  before: z.string().optional(),
  after: z.string().optional(),
});

export const pointsSchema = z.object({
  set: z.string(),
  points: z.array(pointSchema),
  /** Points in what was asked for that the limit left out. */
  leftOut: z.number().int().nonnegative(),
  /** Points of the set. */
  total: z.number().int().nonnegative().optional(),
});
export type PointsAnswer = z.infer<typeof pointsSchema>;
