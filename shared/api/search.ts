/**
 * Shapes of search as one types: names over all sets and all points. A text without wildcards is
 * looked for anywhere in the name, whatever its case; one with `*`, `?` or `[…]` is a glob.
 */
import { z } from 'zod';
import { nodeKinds } from '../protocol/records.js';

export const SEARCH_LIMIT_MAX = 500;
export const SEARCH_TEXT_MAX = 1000;
const SETS_MAX = 1000;

export const searchQuerySchema = z.object({
  q: z.string().min(1).max(SEARCH_TEXT_MAX),
  /** May be given more than once; all sets that the caller may see when left out. */
  set: z
    .union([z.string().transform((set) => [set]), z.array(z.string()).max(SETS_MAX)])
    .optional(),
  kind: z.enum(nodeKinds).optional(),
  /** End of the name, without its dot. */
  ext: z.string().min(1).max(100).optional(),
  /** Point selectors (a time suits several sets): what was there at some point from … to. */
  from: z.string().optional(),
  to: z.string().optional(),
  sizeMin: z.coerce.number().int().min(0).optional(),
  sizeMax: z.coerce.number().int().min(0).optional(),
  /** `true`: only what is in the newest point; `false`: only what is not any more. */
  live: z.enum(['true', 'false']).optional(),
  limit: z.coerce.number().int().min(1).max(SEARCH_LIMIT_MAX).default(50),
});
export type SearchQuery = z.infer<typeof searchQuerySchema>;

/** How well the name fits, best first. */
export const searchMatches = ['exact', 'prefix', 'word', 'part', 'glob'] as const;
export type SearchMatch = (typeof searchMatches)[number];

export const searchResultSchema = z.object({
  set: z.string(),
  path: z.string(),
  /** Last component of the path. */
  name: z.string(),
  kind: z.enum(nodeKinds),
  /** Of the newest version at this path. */
  node: z.number().int().positive(),
  size: z.number(),
  mtimeNs: z.string(),
  /** First and last point at which it stood at this path. */
  firstPoint: z.number().int().positive(),
  lastPoint: z.number().int().positive(),
  lastMs: z.number(),
  /** It is in the newest point. */
  live: z.boolean(),
  match: z.enum(searchMatches),
});
export type SearchResult = z.infer<typeof searchResultSchema>;

export const searchSchema = z.object({
  q: z.string(),
  /** Best first. */
  results: z.array(searchResultSchema),
  /** There may be more, or better ones: the limit or the time for the search was reached. */
  truncated: z.boolean(),
  /** How many sets were searched. */
  sets: z.number().int(),
  tookMs: z.number(),
});
export type SearchAnswer = z.infer<typeof searchSchema>;
