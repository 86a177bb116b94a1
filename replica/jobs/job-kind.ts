/**
 * What a kind of job is: how its request looks, what it may meet, and the work itself. The runner
 * (job-runner.ts) starts it, keeps what it says, and ends it; a kind knows nothing of storage.
 */
import type { z } from 'zod';
import type { JobKindName, JobResult } from '../../shared/api/jobs.js';

/** Fields that are left out stay as they were. */
export interface ProgressUpdate {
  readonly step?: string;
  readonly bytes?: number;
  readonly bytesTotal?: number | null;
  readonly files?: number;
  readonly filesTotal?: number | null;
}

export type JobLogLevel = 'info' | 'warn' | 'error';

/** What running work has of its job. Everything here is cheap: call it as often as it suits. */
export interface JobContext<Request> {
  readonly id: string;
  /** The set it is about; '' for a job of the whole replica. */
  readonly set: string;
  readonly by: string;
  readonly request: Request;
  /** 1 at first, more when it goes on after an interruption. */
  readonly attempt: number;
  /** What `save` was given last, in an attempt before this one. */
  readonly saved: unknown;
  /** Aborted when the job is cancelled or the replica stops: throw `cancelled` soon then. */
  readonly signal: AbortSignal;
  /** Whether `signal` was aborted because the replica stops, not because somebody cancelled. */
  readonly isInterrupted: () => boolean;
  /** Written at most once a second, told at most four times a second. */
  readonly progress: (update: ProgressUpdate) => void;
  /** The last thing it said; also a line of its log. */
  readonly say: (text: string, level?: JobLogLevel) => void;
  /** A line of its log only. A job keeps a bounded number of them, the newest. */
  readonly log: (text: string, level?: JobLogLevel) => void;
  /** Keeps a small JSON value for the attempt after an interruption; a kill leaves it, a power cut may not. */
  readonly save: (state: unknown) => void;
}

/**
 * What becomes of a job that the replica's end interrupted. `goes-on`: queued again at the next
 * start, and goes on from where it stood. `begins-again`: queued again, and repeats its work, which
 * does no harm. `stays`: waits for an operator to resume or ask anew.
 */
export type AfterInterruption = 'goes-on' | 'begins-again' | 'stays';

export interface JobKind<Request = unknown> {
  readonly kind: JobKindName;
  /** Several kinds of one name are told apart by `where` of the request. */
  readonly where?: 'replica' | 'agent';
  /** Checks a request; what it makes of it is stored, and checked again before `run` is given it. */
  readonly schema: z.ZodType<Request>;
  /** Least role that may ask for it. */
  readonly role: 'operator' | 'admin';
  /** Jobs about no set take none; others need one that is there. */
  readonly about: 'set' | 'replica' | 'any';
  /** Of those that change a set, one at a time runs for each set. */
  readonly effect: 'reads' | 'changes';
  readonly afterInterruption: AfterInterruption;
  /**
   * Settles a request before it is stored, such as `latest` to a number; throws what is wrong with
   * it while the asker still waits.
   */
  readonly settle?: (set: string, request: Request) => Request;
  /** Jobs of the same target, such as a folder that they write, run one after the other. */
  readonly target?: (set: string, request: Request) => string;
  /** Throws `cancelled` when `signal` was followed; anything else thrown is its failure. */
  run(context: JobContext<Request>): Promise<JobResult>;
}

/** A kind as the runner keeps it: its request is checked by its own schema before `run` sees it. */
export type AnyJobKind = JobKind;

/** Forgets a kind's request type; sound because the runner only hands on what `schema` made. */
export function jobKind<Request>(kind: JobKind<Request>): AnyJobKind {
  const { settle, target } = kind;
  return {
    kind: kind.kind,
    schema: kind.schema,
    role: kind.role,
    about: kind.about,
    effect: kind.effect,
    afterInterruption: kind.afterInterruption,
    ...(kind.where === undefined ? {} : { where: kind.where }),
    ...(settle === undefined
      ? {}
      : { settle: (set, request) => settle(set, kind.schema.parse(request)) }),
    ...(target === undefined
      ? {}
      : { target: (set, request) => target(set, kind.schema.parse(request)) }),
    run: (context) => kind.run({ ...context, request: kind.schema.parse(context.request) }),
  };
}
