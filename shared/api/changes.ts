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
export const diffQuerySchema = z.object({ from: z.string(), to: z.string() });

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
