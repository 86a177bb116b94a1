/**
 * Shapes of what became of one path over all points: each version that stood there, each stretch
 * without one, and where a file that was renamed came from and went to.
 */
import { z } from 'zod';
import { nodeSchema } from './tree.js';

export const VERSIONS_MAX = 10_000;

/** `from` and `to` are point selectors; left out, every point is looked at. */
export const versionsQuerySchema = z.object({
  path: z.string(),
  from: z.string().optional(),
  to: z.string().optional(),
  /** `node`: also what the node was at other paths, before it came here and after it left. */
  follow: z.enum(['path', 'node']).default('path'),
  limit: z.coerce.number().int().min(1).max(VERSIONS_MAX).default(1000),
});

/**
 * What a version is, beside the one before: `added` (nothing was there), `moved` (the node came from
 * another path), `replaced` (another node of the same kind took the place), `kind` (one of another
 * kind did), `content`, `metadata`. `first`: the oldest point has it already.
 */
export const versionChanges = [
  'first',
  'added',
  'moved',
  'replaced',
  'kind',
  'content',
  'metadata',
] as const;
export type VersionChange = (typeof versionChanges)[number];

const stretch = {
  path: z.string(),
  /** First and last point of the stretch that is still kept. */
  firstPoint: z.number().int().positive(),
  lastPoint: z.number().int().positive(),
  firstMs: z.number(),
  lastMs: z.number(),
  /** It reaches to the newest point. */
  live: z.boolean(),
};

export const presentStretchSchema = z.object({
  state: z.literal('present'),
  ...stretch,
  entry: nodeSchema,
  change: z.enum(versionChanges),
  /** Whether its bytes may be others than those of the version before; false for `metadata`. */
  contentChanged: z.boolean(),
  /** Where the node was at the point before. */
  movedFrom: z.string().optional(),
});

export const absentStretchSchema = z.object({
  state: z.literal('absent'),
  ...stretch,
  /** `not-yet` before the first version, `removed`, `moved` to another path. */
  why: z.enum(['not-yet', 'removed', 'moved']),
  /** Where the node that was here is at the first point of the stretch. */
  movedTo: z.string().optional(),
});

export const versionStretchSchema = z.discriminatedUnion('state', [
  presentStretchSchema,
  absentStretchSchema,
]);
export type VersionStretch = z.infer<typeof versionStretchSchema>;

export const versionsSchema = z.object({
  set: z.string(),
  path: z.string(),
  /** Oldest first; stretches of `path` follow each other without a point between. */
  stretches: z.array(versionStretchSchema),
  /** How many different versions there are at `path`, those that were left out included. */
  versions: z.number().int(),
  /** Older stretches that the limit left out. */
  leftOut: z.number().int(),
  /** It is in the newest point. */
  live: z.boolean(),
  /** The last point that has it, and the first after that does not; null where there is none. */
  lastSeen: z.object({ point: z.number().int(), timeMs: z.number() }).nullable(),
  disappeared: z.object({ point: z.number().int(), timeMs: z.number() }).nullable(),
});
export type VersionsAnswer = z.infer<typeof versionsSchema>;
