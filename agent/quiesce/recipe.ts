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
  /** As the configuration names it: `none`, `hooks`, `sqlite` … */
  readonly name: string;
  /** Consistency that a point gets when the hold succeeds and stays intact until its release. */
  readonly consistency: Consistency;
  /**
   * Before the last round with the application running, when a hold will follow: has the application
   * write out what would make the hold longer. Nothing is held by it. Tells whether it wrote anything.
   * Rejects as `hold` does; the hold may be tried all the same.
   */
  prepare?(signal: AbortSignal): Promise<'wrote' | 'nothing'>;
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
export type QuiesceConfig =
  | NoneConfig
  | HooksConfig
  | SqliteConfig
  | CgroupConfig
  | PostgresqlConfig
  | MariadbConfig
  | RedisConfig;

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

/** What the recipes for database servers have in common. */
export interface ServerConfig {
  /** The set's roots, absolute: everything the server needs must lie in them. */
  readonly roots: readonly string[];
  /** The server's client program, by name or path. */
  readonly program: string;
  /** User of the system that the program runs as; the agent's own when undefined. */
  readonly runAs: string | undefined;
  /** Control group to freeze; looked for when undefined. */
  readonly cgroup: string | undefined;
  /** Longest time to connect and get ready before the hold, in milliseconds. */
  readonly readyMsMax: number;
  /** Longest hold, in milliseconds. */
  readonly deadlineMs: number;
}

/** A PostgreSQL cluster: stopped as a whole for the moment of the image. */
export interface PostgresqlConfig extends ServerConfig {
  readonly kind: 'postgresql';
  /** Name of a service in libpq's service file. */
  readonly service: string | undefined;
  /** Folder of the socket, or a host of this machine. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly database: string;
}

/** A MariaDB server: its commits blocked by BACKUP STAGE, then stopped. */
export interface MariadbConfig extends ServerConfig {
  readonly kind: 'mariadb';
  /** Option file for the client, with user and password. */
  readonly defaultsFile: string | undefined;
  readonly socket: string | undefined;
  readonly user: string | undefined;
}

/** A Redis server: its writes paused and its log or dump written, then stopped. */
export interface RedisConfig extends ServerConfig {
  readonly kind: 'redis';
  readonly socket: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  /** File whose first line is the password. */
  readonly passwordFile: string | undefined;
}
