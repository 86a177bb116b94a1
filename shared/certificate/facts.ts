/**
 * What certificates say: facts about points, without who signed them. Digests are hex, times ms since
 * the epoch by the replica's clock. docs/design/certificates.md describes each field.
 */
import { z } from 'zod';
import { consistencies } from '../protocol/sync-outcome.js';

const point = z.number().int().positive();
const timeMs = z.number().int();
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Points `[first, last]`, ascending, without overlaps. */
export const rangesSchema = z.array(z.tuple([point, point]));
export type PointRanges = z.infer<typeof rangesSchema>;

/** A look at a point's content or index, and what it found. */
export const checkSchema = z.object({
  /**
   * - `seal`: every block received has its digest on top of the parent point, before the agent let go
   * - `digest`: the point digest comes out the same from all rows of the index
   * - `index`: the index does not contradict itself
   * - `data`: every stored byte was read and has its digest
   * - `application`: the application itself opened a copy
   */
  check: z.enum(['seal', 'digest', 'index', 'data', 'application']),
  timeMs,
  /** Things found wrong; 0 is good. */
  findings: z.number().int().nonnegative(),
});
export type Check = z.infer<typeof checkSchema>;

export const pointFactsSchema = z.object({
  kind: z.literal('point'),
  point,
  /** The point it was cut on; 0 for the first. */
  parent: z.number().int().nonnegative(),
  timeMs,
  /** Digest of the point's rows (R26). */
  digest,
  /** Chain digest of the set's syncs up to here, which the agent has too (R13). */
  chain: digest,
  consistency: z.enum(consistencies),
  recipe: z.string(),
  /** How long the application was held, ms. */
  heldMs: z.number(),
  files: z.number().int().nonnegative(),
  bytes: z.number().nonnegative(),
  /** What had been checked when it was written. */
  checked: z.array(checkSchema),
});
export type PointFacts = z.infer<typeof pointFactsSchema>;

export const removalFactsSchema = z.object({
  kind: z.literal('removal'),
  points: rangesSchema.min(1),
  policy: z.string(),
  by: z.string(),
  timeMs,
});
export type RemovalFacts = z.infer<typeof removalFactsSchema>;

export const checkFactsSchema = checkSchema.extend({
  kind: z.literal('check'),
  points: rangesSchema.min(1),
});
export type CheckFacts = z.infer<typeof checkFactsSchema>;

/** The next key: this entry is signed by the old key and countersigned by the new one. */
export const keyFactsSchema = z.object({
  kind: z.literal('key'),
  /** Public key of everything after this, base64url. */
  next: z.string().length(43),
  timeMs,
});
export type KeyFacts = z.infer<typeof keyFactsSchema>;

export const factsSchema = z.discriminatedUnion('kind', [
  pointFactsSchema,
  removalFactsSchema,
  checkFactsSchema,
  keyFactsSchema,
]);
export type Facts = z.infer<typeof factsSchema>;

/** The ranges of a list of points, in any order. */
export function toRanges(points: readonly number[]): PointRanges {
  const ranges: PointRanges = [];
  for (const each of [...new Set(points)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === each - 1) last[1] = each;
    else ranges.push([each, each]);
  }
  return ranges;
}

export function isInRanges(ranges: PointRanges, wanted: number): boolean {
  return ranges.some(([first, last]) => wanted >= first && wanted <= last);
}

/** `1–4, 6`. */
export function formatRanges(ranges: PointRanges): string {
  return ranges
    .map(([first, last]) => (first === last ? String(first) : `${first}–${last}`))
    .join(', ');
}
