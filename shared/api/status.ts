/** Shapes of what the API says about the replica and its sets right now. */
import { z } from 'zod';
import { lastVerifiedSchema } from './alarms.js';
import { pointSchema } from './points.js';
import { scrubSummarySchema } from './scrub.js';

export const setStates = ['idle', 'receiving', 'applying', 'stalled'] as const;
/** `stalled`: storage is full or fails; points stay readable and the sync goes on by itself. */
export type SetState = (typeof setStates)[number];

export const spaceSchema = z.object({
  baseBytes: z.number(),
  atticBytes: z.number(),
  packBytes: z.number(),
  indexBytes: z.number(),
});

export const setStatusSchema = z.object({
  set: z.string(),
  agent: z.string().nullable(),
  agentConnected: z.boolean(),
  state: z.enum(setStates),
  /** Why it is stalled, or why the last sync was refused. */
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
  newest: pointSchema.nullable(),
  points: z.number().int().nonnegative(),
  /** Age of the newest point by the replica's clock; null without one. */
  lagMs: z.number().nullable(),
  /** How long the agent's journal has been without a gap; null when not known. */
  continuityMs: z.number().nullable(),
  /** How long the oldest change that no point covers has waited at the agent; null when not known. */
  behindMs: z.number().nullable(),
  space: spaceSchema,
  /** How scrubbing stands; null where the set is not scrubbed. */
  scrub: scrubSummarySchema.nullish(),
  /** How old the newest state may become before it is an alarm; absent without a target. */
  lagTargetMs: z.number().optional(),
  /** Open alarms of the set that nobody acknowledged. */
  alarms: z.number().int().nonnegative().optional(),
  /** What was last found whole; null when nothing was yet. */
  lastVerified: lastVerifiedSchema.nullish(),
});
export type SetStatusJson = z.infer<typeof setStatusSchema>;

export const statusSchema = z.object({
  version: z.string(),
  startedMs: z.number(),
  nowMs: z.number(),
  sets: z.array(setStatusSchema),
  /** Where the replica's time went since it started, by stage. */
  stages: z
    .record(z.string(), z.object({ calls: z.number(), ms: z.number(), bytes: z.number() }))
    .optional(),
});
export type StatusAnswer = z.infer<typeof statusSchema>;
