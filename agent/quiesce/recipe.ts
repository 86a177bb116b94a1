/**
 * Quiesce: hold an application still for the moment an image is taken, and let it go again whatever
 * happens (promise 6). A recipe knows one way to hold; `create-recipe.ts` makes them.
 */
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import type { Watchdog } from './watchdog-client.js';

/** What a point may claim: see the glossary. */
export type Consistency = 'application' | 'filesystem' | 'crash';

export interface QuiesceRecipe {
  /** `none`, `hooks`, `sqlite` or `cgroup`. */
  readonly name: string;
  /** Consistency that a point gets when the hold succeeds and stays intact until its release. */
  readonly consistency: Consistency;
  /**
   * Holds the application. When this rejects, nothing is held: `quiesce-failed` with the cause,
   * `quiesce-deadline` when the deadline passed first, `cancelled` when `signal` was aborted. The
   * deadline counts from the call and releases by itself, through the watchdog process too.
   */
  hold(signal: AbortSignal): Promise<HeldApplication>;
}

export interface HeldApplication {
  /** Milliseconds since the epoch at which the application began to be held. */
  readonly heldSinceMs: number;
  /** Application context for the point (tier 3): kind, version, log position … */
  readonly facts: QuiesceFacts;
  /** Aborts as soon as the hold ends before `release`: what is read afterwards is not of this hold. */
  readonly broken: AbortSignal;
  /** Lets the application go. Idempotent, never rejects, never leaves the application held. */
  release(): Promise<ReleaseOutcome>;
}

export type QuiesceFacts = Readonly<Record<string, string | number | boolean>>;

export interface ReleaseOutcome {
  /** How long the application was held, in milliseconds. */
  readonly heldMs: number;
  /** False when the hold ended early (deadline, holder killed): the point is only `crash`. */
  readonly intact: boolean;
  readonly releasedBy: 'agent' | 'watchdog';
  /** What went wrong while releasing, for the log and the point; empty when all went well. */
  readonly problems: readonly string[];
}

/** What every recipe needs; the watchdog is one per agent process. */
export interface QuiesceDeps {
  readonly watchdog: Watchdog;
  readonly clock: Clock;
  readonly log: Log;
}

/** How a set is quiesced, as the configuration says it. */
export type QuiesceConfig = NoneConfig | HooksConfig | SqliteConfig | CgroupConfig;

export interface NoneConfig {
  readonly kind: 'none';
}

/** An operator's executables, with VMware's verbs and order. */
export interface HooksConfig {
  readonly kind: 'hooks';
  /** Every executable in it is called, in byte order of the names. */
  readonly folder: string;
  /** Longest run of one hook, in milliseconds; then it and its children are killed. */
  readonly hookTimeoutMs: number;
  /** Longest hold, in milliseconds. */
  readonly deadlineMs: number;
}

/** SQLite databases held by BEGIN IMMEDIATE; the caller has resolved its globs to paths. */
export interface SqliteConfig {
  readonly kind: 'sqlite';
  readonly databases: readonly string[];
  /** How long to wait for a writer to finish, in milliseconds. */
  readonly busyTimeoutMs: number;
  readonly deadlineMs: number;
}

/** A control group frozen by the kernel: needs no knowledge of the application. */
export interface CgroupConfig {
  readonly kind: 'cgroup';
  /** The group's folder, e.g. `/sys/fs/cgroup/system.slice/app.service`; v1 freezer or v2. */
  readonly folder: string;
  readonly deadlineMs: number;
}
