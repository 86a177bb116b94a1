/**
 * Shapes of what the API says about alarms: what is wrong with a set, since when, and what was done
 * about it. An alarm is open until `untilMs`; one that is acknowledged stays open while its cause
 * lasts, but asks for nothing any more. Times are ms since the epoch by the replica's clock.
 */
import { z } from 'zod';

/**
 * `lag`: the newest state on the replica is older than the set's target. `gap`: the agent's journal
 * has missed something and it is not compared yet. `verify`: stored bytes are damaged. `mass-change`:
 * many files became what encryption or deletion makes of them. `space`: the disk or a quota is nearly
 * full. `agent-away`: no agent serves the set. `stalled`: storage keeps a sync from going on.
 */
export const alarmKinds = [
  'lag',
  'gap',
  'verify',
  'mass-change',
  'space',
  'agent-away',
  'stalled',
] as const;
export type AlarmKind = (typeof alarmKinds)[number];

export const alarmSeverities = ['warning', 'critical'] as const;
export type AlarmSeverity = (typeof alarmSeverities)[number];

export const NOTE_LENGTH_MAX = 1000;
export const EXAMPLES_MAX = 8;

/** Beside those named here an alarm may carry further plain facts of its kind. */
export const alarmFactsSchema = z
  .object({
    /** mass-change: the last point before it, which is held; null when there is none. */
    calmPoint: z.number().int().positive().nullable().optional(),
    /** mass-change: the name of that hold while it stands (`hold-7`), null once it is released. */
    hold: z.string().nullable().optional(),
    /** mass-change: the first point that has it; null while its sync is still received. */
    firstPoint: z.number().int().positive().nullable().optional(),
    /** mass-change: how much of what encryption does was seen; an alarm begins at 1. */
    score: z.number().optional(),
    /** Why, a sentence for each sign, the strongest first. */
    signs: z.array(z.string()).optional(),
    /** Path texts of a few of the files that it is about. */
    examples: z.array(z.string()).max(EXAMPLES_MAX).optional(),
  })
  .catchall(
    z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string()), z.undefined()]),
  );
export type AlarmFacts = z.infer<typeof alarmFactsSchema>;

export const acknowledgeActions = ['keep', 'release'] as const;

export const acknowledgedSchema = z.object({
  /** Name of the token or operator. */
  by: z.string(),
  timeMs: z.number(),
  action: z.enum(acknowledgeActions),
  note: z.string().nullable(),
});

export const alarmSchema = z.object({
  /** `alarm-7`; never given out again. */
  id: z.string(),
  /** Null for an alarm of the whole replica, as a full disk. */
  set: z.string().nullable(),
  kind: z.enum(alarmKinds),
  severity: z.enum(alarmSeverities),
  sinceMs: z.number(),
  /** When its cause was gone; null while it is there. A mass change ends by being acknowledged. */
  untilMs: z.number().nullable(),
  /** One sentence for people. */
  text: z.string(),
  facts: alarmFactsSchema,
  acknowledged: acknowledgedSchema.nullable(),
});
export type AlarmJson = z.infer<typeof alarmSchema>;

export const alarmsQuerySchema = z.object({
  set: z.string().optional(),
  kind: z.enum(alarmKinds).optional(),
  /** `open`: those whose cause lasts. */
  state: z.enum(['open', 'all']).default('open'),
  /** Only alarms older than this one (`alarm-7`): the next page. */
  before: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const alarmsSchema = z.object({
  /** Newest first. */
  alarms: z.array(alarmSchema),
  /** Open ones that nobody acknowledged, of all the caller may see. */
  waiting: z.number().int().nonnegative(),
  /** What to ask for with `before` to go on; null at the end. */
  next: z.string().nullable(),
});
export type AlarmsAnswer = z.infer<typeof alarmsSchema>;

export const acknowledgeRequestSchema = z.object({
  /** `release` also releases the hold that the alarm made; `keep` leaves it. */
  action: z.enum(acknowledgeActions).default('keep'),
  note: z.string().trim().min(1).max(NOTE_LENGTH_MAX).optional(),
});
export type AcknowledgeRequest = z.infer<typeof acknowledgeRequestSchema>;

/** The newest verification or scrubbing round of a set that found nothing wrong. */
export const lastVerifiedSchema = z.object({
  /** The newest point it covered. */
  point: z.number().int().positive(),
  timeMs: z.number(),
  by: z.enum(['verify', 'scrub']),
});
export type LastVerified = z.infer<typeof lastVerifiedSchema>;
