/** Shapes of scrubbing: what an operator asks of it, and what it says of a set. */
import { z } from 'zod';

export const scrubRequestSchema = z.object({
  /**
   * `begin`: a round goes on, or begins, now; `pause` and `resume`: none, and again as scheduled.
   */
  action: z.enum(['begin', 'pause', 'resume']),
  /** Reads at most so much a second, over all sets, until the replica restarts. */
  bytesPerSecond: z.number().int().min(1024).optional(),
});

export const scrubStages = ['index', 'tree', 'content'] as const;

const roundSchema = z.object({
  number: z.number().int(),
  startedMs: z.number(),
  bytes: z.number(),
  /** Stored versions of blocks that were not as their digests say. */
  found: z.number().int(),
  repaired: z.number().int(),
});

/** What status says of every set. */
export const scrubSummarySchema = z.object({
  /** `paused` by an operator, `idle` until the next round is due, `running`. */
  state: z.enum(['idle', 'running', 'paused']),
  /** When the last round ended that read everything; null when none did. */
  lastEndedMs: z.number().nullable(),
  /** Since the set is scrubbed. */
  found: z.number().int(),
  repaired: z.number().int(),
  /** Versions of blocks that are damaged now, those asked of the agent included. */
  damaged: z.number().int(),
  /** Of those, how many the agent was asked for. */
  wanted: z.number().int(),
  /** Contradictions of the index that the last look at it found. */
  findings: z.number().int(),
});
export type ScrubSummary = z.infer<typeof scrubSummarySchema>;

export const scrubDamageSchema = z.object({
  /** At the last point that has it; null when it has no name. */
  path: z.string().nullable(),
  block: z.number().int(),
  /** First and last point whose reads of it fail; null when no point reads it any more. */
  points: z.object({ from: z.number().int(), to: z.number().int() }).nullable(),
  /** `wanted`: the agent was asked to send it again. */
  state: z.enum(['damaged', 'wanted']),
  foundMs: z.number(),
});
export type ScrubDamage = z.infer<typeof scrubDamageSchema>;

export const scrubFindingSchema = z.object({
  /** `point`: none of the point is read, because its rows are not those it was cut with. */
  kind: z.enum(['index', 'tree', 'point']),
  point: z.number().int().nullable(),
  path: z.string().nullable(),
  message: z.string(),
});
export type ScrubFinding = z.infer<typeof scrubFindingSchema>;

export const scrubStatusSchema = scrubSummarySchema.extend({
  set: z.string(),
  bytesPerSecond: z.number(),
  /** The round under way; null between rounds. */
  round: roundSchema
    .extend({
      stage: z.enum(scrubStages),
      /** About what the round will have read at its end. */
      bytesTotal: z.number(),
    })
    .nullable(),
  last: roundSchema.extend({ endedMs: z.number() }).nullable(),
  damage: z.array(scrubDamageSchema),
  /** How many more there are than `damage` has. */
  damageLeftOut: z.number().int(),
  found: z.number().int(),
  notes: z.array(scrubFindingSchema),
});
export type ScrubStatus = z.infer<typeof scrubStatusSchema>;
