/** The agent's configuration: what it protects, how, and within which bounds. */
import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { Cron } from 'croner';
import { z } from 'zod';
import { isWireName } from '../protocol/subject.js';
import { isEntryName } from '../protocol/records.js';
import { type Address, addressSchema, parseAddress } from './address.js';
import { byteCount, duration } from './quantity.js';
import { quiesceSchema, toQuiesce, type QuiesceChoice } from './quiesce-config.js';
import { parseConfig, readConfig } from './read-config.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const wireName = z
  .string()
  .refine(isWireName, '1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit')
  .meta({ type: 'name' });
const absolutePath = z.string().refine(isAbsolute, 'an absolute path').meta({ type: 'path' });
const path = z.string().min(1).meta({ type: 'path' });

const rootSchema = z.union([
  absolutePath,
  z.strictObject({
    path: absolutePath,
    name: z
      .string()
      .refine((name) => isEntryName(Buffer.from(name)), 'a name without / that is not . or ..')
      .optional(),
  }),
]);

const cronPattern = z.string().superRefine((pattern, context) => {
  try {
    new Cron(pattern, { paused: true });
  } catch {
    context.addIssue({ code: 'custom', message: 'a cron pattern such as 0 */2 * * *' });
  }
});

const scheduleSchema = z.union([
  z.literal('continuous'),
  z.strictObject({ every: duration({ min: 1_000 }) }),
  z.strictObject({ cron: cronPattern }),
]);

const captureSchema = z.strictObject({
  source: z.enum(['auto', 'fanotify', 'chokidar', 'scan']).default('auto'),
  watch_files_max: z.int().min(0).default(20_000),
  scan_every: duration({ min: 1_000 }).prefault('30s'),
});

const setSchema = z.strictObject({
  name: wireName,
  roots: z.array(rootSchema).min(1),
  include: z.array(z.string()).default([]),
  exclude: z.array(z.string()).default([]),
  schedule: scheduleSchema.default('continuous'),
  quiesce: quiesceSchema.default({ recipe: 'none' }),
  capture: captureSchema.prefault({}),
  image: z.enum(['auto', 'rounds']).default('auto'),
  rounds_max: z.int().min(1).max(20).default(3),
});

/** What an operator of the replica may have this agent restore to its own host (R22). */
const restoreSchema = z.strictObject({
  allow: z.enum(['in-place', 'none']).default('in-place'),
  folders: z.array(absolutePath).default([]),
});

/** The file as an operator writes it; `docs/reference/config.md` lists every key. */
export const agentConfigSchema = z
  .strictObject({
    data_folder: path,
    enrolment: path.optional(),
    log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    broker: z.string().min(1).optional(),
    window_bytes_max: byteCount({ min: 256 * 1024, max: 16 * MIB }).prefault(4 * MIB),
    spool_bytes_max: byteCount({ min: 16 * MIB }).prefault(4 * GIB),
    direct: z.enum(['auto', 'never']).default('auto'),
    dedup_bytes_max: byteCount({ min: MIB, max: 4 * GIB }).prefault(512 * MIB),
    compression: z.union([z.enum(['auto', 'none']), z.int().min(1).max(19)]).default('auto'),
    workers: z.union([z.literal('auto'), z.int().min(0).max(16)]).default('auto'),
    metrics: z.strictObject({ listen: addressSchema }).optional(),
    restore: restoreSchema.prefault({}),
    sets: z.array(setSchema).min(1),
  })
  .superRefine((config, context) => {
    checkNames(config.sets, context);
    for (const [at, set] of config.sets.entries())
      checkRoots(set.roots, ['sets', at, 'roots'], context);
  });

type AgentFile = z.infer<typeof agentConfigSchema>;
type SetFile = AgentFile['sets'][number];

export type Schedule =
  | { readonly type: 'continuous' }
  | { readonly type: 'every'; readonly everyMs: number }
  | { readonly type: 'cron'; readonly pattern: string };

export interface SetConfig {
  readonly name: string;
  readonly roots: readonly { readonly name: string; readonly path: string }[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly schedule: Schedule;
  readonly quiesce: QuiesceChoice;
  readonly capture: {
    readonly source: 'auto' | 'fanotify' | 'chokidar' | 'scan';
    readonly watchFilesMax: number;
    readonly scanEveryMs: number;
  };
  /** `rounds`: files are read while the application is held, also where they could be cloned. */
  readonly image: 'auto' | 'rounds';
  readonly roundsMax: number;
}

export interface AgentConfig {
  /** Absolute; relative ones are relative to the file. */
  readonly dataFolder: string;
  readonly enrolment: string | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Instead of the URL in the enrolment. */
  readonly broker: string | undefined;
  readonly windowBytesMax: number;
  readonly spoolBytesMax: number;
  /** Whether frames may go to the replica past the broker. */
  readonly direct: 'auto' | 'never';
  readonly dedupBytesMax: number;
  /** A number is zstd's level, for all that can be compressed. */
  readonly compression: 'auto' | 'none' | number;
  /** Threads that read and name files; 0: the agent's own thread does. */
  readonly workers: number | 'auto';
  /** Where metrics and health are told to everybody who can connect; undefined for nowhere. */
  readonly metricsListen: Address | undefined;
  /** What may be restored to this host at the replica's asking. */
  readonly restore: RestoreConfig;
  readonly sets: readonly SetConfig[];
}

export interface RestoreConfig {
  /** `in-place`: into the sets' own roots, and below `folders`. `none`: nothing. */
  readonly allow: 'in-place' | 'none';
  /** Absolute folders below which a restore may go beside the set. */
  readonly folders: readonly string[];
}

/** @throws AfterimageError `config-unreadable`, `config-invalid` */
export function readAgentConfig(file: string): AgentConfig {
  return toConfig(readConfig(file, agentConfigSchema), dirname(resolve(file)));
}

/** The same from text; `file` is named in messages and gives relative paths their place. */
export function parseAgentConfig(file: {
  readonly path: string;
  readonly text: string;
}): AgentConfig {
  return toConfig(parseConfig(file, agentConfigSchema), dirname(resolve(file.path)));
}

function toConfig(file: AgentFile, folder: string): AgentConfig {
  return {
    dataFolder: resolve(folder, file.data_folder),
    enrolment: file.enrolment === undefined ? undefined : resolve(folder, file.enrolment),
    logLevel: file.log_level,
    broker: file.broker,
    windowBytesMax: file.window_bytes_max,
    spoolBytesMax: file.spool_bytes_max,
    direct: file.direct,
    dedupBytesMax: file.dedup_bytes_max,
    workers: file.workers,
    metricsListen: file.metrics === undefined ? undefined : parseAddress(file.metrics.listen),
    compression: file.compression,
    restore: file.restore,
    sets: file.sets.map(toSet),
  };
}

function toSet(set: SetFile): SetConfig {
  return {
    name: set.name,
    roots: set.roots.map((root) => ({ name: rootName(root), path: rootPath(root) })),
    include: set.include,
    exclude: set.exclude,
    schedule: toSchedule(set.schedule),
    quiesce: toQuiesce(set.quiesce, set.roots.map(rootPath)),
    capture: {
      source: set.capture.source,
      watchFilesMax: set.capture.watch_files_max,
      scanEveryMs: set.capture.scan_every,
    },
    image: set.image,
    roundsMax: set.rounds_max,
  };
}

function toSchedule(schedule: SetFile['schedule']): Schedule {
  if (schedule === 'continuous') return { type: 'continuous' };
  return 'every' in schedule
    ? { type: 'every', everyMs: schedule.every }
    : { type: 'cron', pattern: schedule.cron };
}

type RootFile = SetFile['roots'][number];

function rootPath(root: RootFile): string {
  return resolve(typeof root === 'string' ? root : root.path);
}

/** The root's last component unless it is named; the file system's root is `root`. */
function rootName(root: RootFile): string {
  const named = typeof root === 'string' ? undefined : root.name;
  return named ?? (basename(rootPath(root)) || 'root');
}

type Context = z.core.$RefinementCtx;

function checkNames(sets: readonly SetFile[], context: Context): void {
  const seen = new Set<string>();
  for (const [at, { name }] of sets.entries()) {
    if (seen.has(name)) {
      context.addIssue({
        code: 'custom',
        path: ['sets', at, 'name'],
        message: 'a name no other set has',
      });
    }
    seen.add(name);
  }
}

/** Roots of a set have names of their own and do not lie in each other. */
function checkRoots(
  roots: readonly RootFile[],
  place: readonly PropertyKey[],
  context: Context,
): void {
  for (const [at, root] of roots.entries()) {
    for (const other of roots.slice(0, at)) {
      const path = [...place, at];
      if (rootName(other) === rootName(root)) {
        const message = `a root whose name is not ${rootName(root)}; give it one with {path, name}`;
        context.addIssue({ code: 'custom', path, message });
      }
      if (contains(rootPath(other), rootPath(root)) || contains(rootPath(root), rootPath(other))) {
        const message = `a root that does not overlap ${rootPath(other)}`;
        context.addIssue({ code: 'custom', path, message });
      }
    }
  }
}

function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
