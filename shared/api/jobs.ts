/**
 * Shapes of jobs: everything long that the replica does, or that an agent does for a set. A job is
 * asked for once, shows progress, can be cancelled, and is kept for a while after its end. Times are
 * ms since the epoch by the replica's clock.
 */
import { z } from 'zod';
import { nodeKinds } from '../protocol/records.js';
import { problemSchema } from './problem.js';
import { PATHS_MAX } from './tree.js';

/**
 * `sync`: a sync or first copy, also one that the agent began by itself. `archive`: paths of a point as
 * a tar or zip file in a folder of the replica's machine. `export`: certificates or the audit log there.
 */
export const jobKinds = [
  'sync',
  'verify',
  'scrub',
  'prune',
  'restore',
  'export',
  'archive',
] as const;
export type JobKindName = (typeof jobKinds)[number];

/**
 * `interrupted`: the replica stopped while it ran; `POST …/resume` queues it again, and jobs whose
 * work can go on are queued again by themselves (docs/design/jobs.md).
 */
export const jobStates = [
  'queued',
  'running',
  'done',
  'failed',
  'cancelled',
  'interrupted',
] as const;
export type JobState = (typeof jobStates)[number];

/** States that a job leaves by itself. */
export const openJobStates = ['queued', 'running'] as const satisfies readonly JobState[];

export const MESSAGE_LENGTH_MAX = 2000;

export const jobProgressSchema = z.object({
  /** What is being done, one word or two: `receiving`, `comparing`; null before it says so. */
  step: z.string().nullable(),
  bytes: z.number().nonnegative(),
  /** Null while not known; may be an estimate, so `bytes` can end below or above it. */
  bytesTotal: z.number().nonnegative().nullable(),
  files: z.number().int().nonnegative(),
  filesTotal: z.number().int().nonnegative().nullable(),
  /** Of the last ten seconds or so; null while not known. */
  bytesPerSecond: z.number().nonnegative().nullable(),
  filesPerSecond: z.number().nonnegative().nullable(),
  /** By bytes where their total is known, else by files; null while not known. */
  leftMs: z.number().nonnegative().nullable(),
});
export type JobProgress = z.infer<typeof jobProgressSchema>;

/** One entry that a job could not do, or a thing it found wrong. */
export const jobTroubleSchema = z.object({
  /** As path text; null when it is about no path. */
  path: z.string().nullable(),
  code: z.string(),
  message: z.string(),
});
export type JobTrouble = z.infer<typeof jobTroubleSchema>;

/** Troubles told one by one in a result; `troubleCount` counts all. */
export const TROUBLES_MAX = 100;

/** An action of a dry run, one of the first of its kind. */
export const plannedJsonSchema = z.object({
  /** `create`, `rewrite`, `replace`, `rename`, `delete`, `move`, `spare` … (docs/design/restore.md). */
  action: z.string(),
  path: z.string(),
  kind: z.enum(nodeKinds).optional(),
  /** Of content that would be written. */
  bytes: z.number().nonnegative(),
});
export type PlannedJson = z.infer<typeof plannedJsonSchema>;

export const jobResultSchema = z.object({
  /** One sentence for people. */
  text: z.string(),
  /** Counts by name: `create`, `removed`, `findings`, `bytesWritten`, `point` … */
  counts: z.record(z.string(), z.number()),
  troubles: z.array(jobTroubleSchema).max(TROUBLES_MAX),
  troubleCount: z.number().int().nonnegative(),
  notes: z.array(z.string()),
  /** Only of a restore that was a dry run. */
  planned: z.array(plannedJsonSchema).optional(),
});
export type JobResult = z.infer<typeof jobResultSchema>;

export const jobSchema = z.object({
  /** `job-12`; never given out again. */
  id: z.string(),
  kind: z.enum(jobKinds),
  /** Null for a job of the whole replica. */
  set: z.string().nullable(),
  /** Name of the token or operator that asked; `agent:NAME` or `replica` when nobody did. */
  by: z.string(),
  /** What was asked for, as it was asked, without `kind` and `set`. */
  request: z.record(z.string(), z.unknown()),
  state: z.enum(jobStates),
  createdMs: z.number(),
  /** Of the first start; null while queued. */
  startedMs: z.number().nullable(),
  endedMs: z.number().nullable(),
  progress: jobProgressSchema,
  /** The last thing it said; null when nothing. */
  message: z.string().nullable(),
  /** Null until it is done; one that failed on the way may have one too. */
  result: jobResultSchema.nullable(),
  /** Why it failed or was cancelled. */
  problem: problemSchema.nullable(),
  /** 1 at the first start; one more for each time it went on after an interruption. */
  attempt: z.number().int().nonnegative(),
  /** Whether cancel and resume would be accepted now. */
  canCancel: z.boolean(),
  canResume: z.boolean(),
});
export type JobJson = z.infer<typeof jobSchema>;

/** Only `kind` and `set` are common; the schema of the kind, below, checks the rest. */
export const jobRequestSchema = z.looseObject({
  kind: z.enum(jobKinds),
  set: z.string().optional(),
});
export type JobRequest = z.infer<typeof jobRequestSchema>;

/** Asks the set's agent for a sync, and ends with the point that holds what was there when asking. */
export const syncJobSchema = z.object({});
/** The same fields as `POST /v1/sets/:set/verify`. */
export const verifyJobSchema = z.object({
  /** A point selector; every point when left out. It is settled when the job is asked for. */
  point: z.string().optional(),
  depth: z.enum(['index', 'data']).default('data'),
});
/** A round of scrubbing goes on, or begins, now; the job ends with the round. */
export const scrubJobSchema = z.object({
  bytesPerSecond: z.number().int().min(1024).optional(),
});
export const pruneJobSchema = z.object({
  /** `plan` only says what would be done. */
  effect: z.enum(['plan', 'remove']).default('remove'),
});
/** Into `to`/<set>-certificates.ndjson or `to`/audit.ndjson; `to` lies below a restore root. */
export const exportJobSchema = z.object({
  what: z.enum(['certificates', 'audit']),
  to: z.string().startsWith('/'),
});
/** Into a new file of the replica's machine, below a restore root, that ends in .tar or .zip. */
export const archiveJobSchema = z.object({
  point: z.string(),
  paths: z.array(z.string()).max(PATHS_MAX).default([]),
  format: z.enum(['tar', 'zip']).default('tar'),
  to: z.string().startsWith('/'),
});

export const JOBS_LIMIT_MAX = 1000;

const listOf = <Item extends z.ZodType>(item: Item) =>
  z.union([item.transform((one) => [one]), z.array(item)]).optional();

/** `state` and `kind` may be given more than once. */
export const jobsQuerySchema = z.object({
  set: z.string().optional(),
  state: listOf(z.enum(jobStates)),
  kind: listOf(z.enum(jobKinds)),
  /** Only jobs older than this one (`job-12`): the next page. */
  before: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(JOBS_LIMIT_MAX).default(100),
});
export type JobsQuery = z.infer<typeof jobsQuerySchema>;

export const jobsSchema = z.object({
  /** Newest first. */
  jobs: z.array(jobSchema),
  /** What to ask for with `before` to go on; null at the end. */
  next: z.string().nullable(),
});
export type JobsAnswer = z.infer<typeof jobsSchema>;

export const jobLogQuerySchema = z.object({
  /** Only lines after this number. */
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(JOBS_LIMIT_MAX).default(200),
});

export const jobLogLineSchema = z.object({
  /** Counts from 1 in each job. */
  line: z.number().int().positive(),
  timeMs: z.number(),
  level: z.enum(['info', 'warn', 'error']),
  text: z.string(),
});
export type JobLogLine = z.infer<typeof jobLogLineSchema>;

export const jobLogSchema = z.object({
  lines: z.array(jobLogLineSchema),
  /** Older lines that went because a job keeps so many only. */
  dropped: z.number().int().nonnegative(),
  /** Ask again with `after` of this; null at the end of what there is now. */
  next: z.number().int().nullable(),
});
export type JobLogAnswer = z.infer<typeof jobLogSchema>;
