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
  /** For applications that can be copied while they go on, by a protocol of their own. */
  readonly backup?: BackupMode;
}

export interface BackupMode {
  /** `always`: never held; `otherwise`: where a hold fails, or would be long. */
  readonly when: 'always' | 'otherwise';
  /** Begins one; rejects as `hold` does, and then none is under way. Its own deadline ends it. */
  begin(signal: AbortSignal): Promise<RunningBackup>;
}

/** The application goes on; `release` ends its backup. Files that are read in between are good. */
export interface RunningBackup extends HeldApplication {
  /** After an intact release: what makes the files that were read a copy that recovers. */
  end(): BackupEnd;
  /**
   * When the logs have been looked at: makes sure that they were whole all the time, and lets go of
   * what the server kept for it. Answers what is wrong; undefined when nothing is. Never rejects.
   */
  close(): Promise<string | undefined>;
}

export interface BackupEnd {
  /** Folders with the log up to the end of the backup, absolute: to be looked at once more. */
  readonly logs: readonly string[];
  /** Folders in which the end of the session leaves traces, absolute. */
  readonly traces: readonly string[];
  /** Files of the point that are nowhere in the application's folders. */
  readonly files: readonly PlacedFile[];
  /** Position of the log at the end: a recovered copy holds at least what is before it. */
  readonly logPosition: string;
}

/** A file that the agent adds to a folder of the point. */
export interface PlacedFile {
  /** Absolute, of the live folder. */
  readonly folder: string;
  readonly name: string;
  readonly content: Buffer;
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

/** A PostgreSQL cluster: stopped as a whole for the moment of the image, or read in its backup mode. */
export interface PostgresqlConfig extends ServerConfig {
  readonly kind: 'postgresql';
  /** `auto`: stopped; in backup mode where that cannot be, or would be long. */
  readonly mode: 'auto' | 'stop' | 'backup';
  /** Longest backup, in milliseconds: the server keeps its log for so long. */
  readonly backupMsMax: number;
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
