/** Shapes of what the API says about retention: policies, holds, and what a prune does and why. */
import { z } from 'zod';

const HOUR_MS = 3600 * 1000;
export const COUNT_MAX = 100_000;
export const AGE_MS_MAX = 200 * 366 * 24 * HOUR_MS;
export const INTERVAL_MS_MIN = 1000;
export const INTERVAL_MS_DEFAULT = 900 * 1000;
export const REASON_LENGTH_MAX = 1000;

const count = z.number().int().min(1).max(COUNT_MAX).optional();
const age = z.number().int().min(1).max(AGE_MS_MAX).optional();

/** Rules that keep points; a point that none of them keeps is removed. */
const rules = {
  /** The newest so many intervals that have points: one point each (R20). */
  keepLast: count,
  /** Every point not older than this before the newest one. */
  withinMs: age,
  /** One point of each of the newest so many hours, days … that have points. */
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
};

export const policySchema = z
  .strictObject({
    ...rules,
    /** Of what length the intervals of `keepLast` are. */
    intervalMs: z.number().int().min(INTERVAL_MS_MIN).max(AGE_MS_MAX).default(INTERVAL_MS_DEFAULT),
    /** No point younger than this is removed. */
    minAgeMs: z.number().int().min(0).max(AGE_MS_MAX).default(0),
  })
  .refine((policy) => Object.keys(rules).some((rule) => Object.hasOwn(policy, rule)), {
    message: 'a policy needs a rule that keeps points',
  });
export type Policy = z.infer<typeof policySchema>;

export const holdSchema = z.object({
  /** `hold-7`: how the hold is named when it is released. */
  hold: z.string(),
  set: z.string(),
  point: z.number().int().positive(),
  reason: z.string(),
  timeMs: z.number(),
});
export type HoldJson = z.infer<typeof holdSchema>;

export const pruneResultSchema = z.object({
  removed: z.number().int(),
  /** Points that go next time: somebody reads them, or a sync under way needs what they have. */
  deferred: z.number().int(),
  rows: z.number(),
  files: z.number().int(),
  /** Bytes that the file system got back: of old whole files, and of packs. */
  fileBytes: z.number(),
  packBytes: z.number(),
});
export type PruneResultJson = z.infer<typeof pruneResultSchema>;

export const retentionSchema = z.object({
  set: z.string(),
  /** Null keeps every point. */
  policy: policySchema.nullable(),
  /** When the policy was set; null without one. */
  policySetMs: z.number().nullable(),
  holds: z.array(holdSchema),
  /** When it is applied next by itself; null without a policy. */
  nextRunMs: z.number().nullable(),
  lastRun: pruneResultSchema.extend({ timeMs: z.number() }).nullable(),
});
export type RetentionAnswer = z.infer<typeof retentionSchema>;

export const retentionRequestSchema = z.object({ policy: policySchema.nullable() });

export const holdRequestSchema = z.object({
  /** A point selector. */
  point: z.string(),
  reason: z.string().trim().min(1).max(REASON_LENGTH_MAX),
});

/** Either a hold by its name, or every hold of a point. */
export const releaseRequestSchema = z.union([
  z.strictObject({ hold: z.string() }),
  z.strictObject({ set: z.string(), point: z.string() }),
]);
export const releaseAnswerSchema = z.object({ released: z.array(holdSchema) });
export type ReleaseAnswer = z.infer<typeof releaseAnswerSchema>;

export const pruneRequestSchema = z.object({
  /** `plan` only says what would be done. */
  effect: z.enum(['plan', 'remove']).default('plan'),
});

export const decisionSchema = z.object({
  type: z.literal('decision'),
  point: z.number().int().positive(),
  timeMs: z.number(),
  keep: z.boolean(),
  /** The rules that keep it; empty when it goes. */
  rules: z.array(z.string()),
  /** Why, a text for each rule that keeps it, or for each that does not. */
  because: z.array(z.string()),
});
export type DecisionLine = z.infer<typeof decisionSchema>;

export const pruneProgressSchema = z.object({
  type: z.literal('progress'),
  step: z.enum(['points', 'packs']),
  done: z.number().int(),
  total: z.number().int(),
});

export const prunedSchema = pruneResultSchema.extend({
  type: z.literal('pruned'),
  kept: z.number().int(),
});

export const pruneLineSchema = z.discriminatedUnion('type', [
  decisionSchema,
  pruneProgressSchema,
  prunedSchema,
]);
export type PruneLine = z.infer<typeof pruneLineSchema>;

export const SIMULATED_KEPT_MAX = 1000;
export const SIMULATED_BUCKETS_MAX = 200;

/** A policy is tried, nothing is changed. */
export const simulateRequestSchema = z.object({
  /** Null keeps every point. */
  policy: policySchema.nullable(),
  /** As if it were then, ms since the epoch; now when left out. */
  atMs: z.number().int().min(0).optional(),
  /** How far ahead to look, with points coming as often as they did lately; not when left out. */
  horizonMs: z
    .number()
    .int()
    .min(HOUR_MS)
    .max(20 * 366 * 24 * HOUR_MS)
    .optional(),
  buckets: z.number().int().min(1).max(SIMULATED_BUCKETS_MAX).default(100),
});
export type SimulateRequest = z.input<typeof simulateRequestSchema>;

export const simulatedBucketSchema = z.object({
  fromMs: z.number(),
  toMs: z.number(),
  keep: z.number().int(),
  go: z.number().int(),
});

export const simulatedFutureSchema = z.object({
  horizonMs: z.number(),
  /** How many points came a day, and over what time that was counted. */
  pointsPerDay: z.number(),
  measuredMs: z.number(),
  /** Points that would be made until then, and those that would be kept then, holds included. */
  made: z.number().int(),
  keep: z.number().int(),
});

export const simulateSchema = z.object({
  set: z.string(),
  atMs: z.number(),
  total: z.number().int(),
  keep: z.number().int(),
  go: z.number().int(),
  /** Of those that would go, how many today's policy keeps. */
  goOnlyNow: z.number().int(),
  /** How many points each rule keeps; a point that several keep counts for each. */
  byRule: z.array(
    z.object({
      rule: z.string(),
      points: z.number().int(),
      /** Those that no other rule keeps. */
      alone: z.number().int(),
    }),
  ),
  /** Stretches of equal length that have points, oldest first. */
  buckets: z.array(simulatedBucketSchema),
  /** The newest that would stay, oldest first. */
  kept: z.array(
    z.object({ point: z.number().int(), timeMs: z.number(), rules: z.array(z.string()) }),
  ),
  keptLeftOut: z.number().int(),
  oldestKeptMs: z.number().nullable(),
  /**
   * What would be freed of packs and old whole files; null when it was not found out in time.
   */
  freed: z
    .object({ atticBytes: z.number(), packBytes: z.number(), files: z.number().int() })
    .nullable(),
  future: simulatedFutureSchema.nullable(),
});
export type SimulateAnswer = z.infer<typeof simulateSchema>;
