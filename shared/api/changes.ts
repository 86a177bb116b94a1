/** Shapes of search over points and of comparison between two. Each result is a line of a stream. */
import { z } from 'zod';
import { nodeSchema } from './tree.js';

export const FOUND_MAX = 100_000;

/** `from` and `to` are point selectors; left out, every point is searched. */
export const findQuerySchema = z.object({
  glob: z.string().min(1).max(4096),
  from: z.string().optional(),
  to: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(FOUND_MAX).default(1000),
});

export const foundSchema = nodeSchema.extend({
  type: z.literal('found'),
  path: z.string(),
  /** First and last point at which this version stood at this path. */
  from: z.number().int(),
  to: z.number().int(),
  /** It still stands in the newest point. */
  live: z.boolean(),
});
export type FoundLine = z.infer<typeof foundSchema>;

/** Both are point selectors. */
export const diffQuerySchema = z.object({
  from: z.string(),
  to: z.string(),
  /** Only what is at or below this path, at either point; everything when left out. */
  path: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1_000_000).optional(),
  /** A line of type `summary` comes last, or alone. */
  summary: z.enum(['with', 'only']).optional(),
});

export const changeWords = ['added', 'removed', 'content', 'metadata', 'kind'] as const;
export const diffLineSchema = z.object({
  type: z.literal('change'),
  path: z.string(),
  change: z.enum(changeWords),
  before: nodeSchema.optional(),
  after: nodeSchema.optional(),
  /** Set when the node stood at another path at the first point. */
  movedFrom: z.string().optional(),
});
export type DiffLine = z.infer<typeof diffLineSchema>;

/** Counts over the changes before it, and over those that `limit` left out. */
export const diffSummarySchema = z.object({
  type: z.literal('summary'),
  added: z.number().int(),
  removed: z.number().int(),
  content: z.number().int(),
  metadata: z.number().int(),
  kind: z.number().int(),
  /** Of those above, how many stood elsewhere before. */
  moved: z.number().int(),
  /** Sizes of what was added and removed, and what files of other content grew by (or shrank). */
  bytesAdded: z.number(),
  bytesRemoved: z.number(),
  bytesGrown: z.number(),
  /** Changes that `limit` left out. */
  leftOut: z.number().int(),
});
export type DiffSummary = z.infer<typeof diffSummarySchema>;
export const diffAnswerLineSchema = z.discriminatedUnion('type', [
  diffLineSchema,
  diffSummarySchema,
]);
