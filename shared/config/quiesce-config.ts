/** The part of a set's configuration that says how its application is held. */
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { duration } from './quantity.js';

const absolutePath = z.string().refine(isAbsolute, 'an absolute path').meta({ type: 'path' });
const path = z.string().min(1).meta({ type: 'path' });
const text = z.string().min(1);
const port = z.int().min(1).max(65_535);

const deadline = (ms: string): z.ZodType<number> =>
  duration({ min: 100, max: 3_600_000 }).prefault(ms);

/** libpq takes what has a `=` or begins like an address for a whole connection string. */
const databaseName = text.refine(
  (name) => !/=|\p{Cc}|^postgres(ql)?:\/\//iu.test(name),
  'the name of a database, not a connection string',
);

/** What every recipe for a database server takes. */
const server = (program: string) => ({
  program: path.default(program),
  run_as: text.optional(),
  cgroup: absolutePath.optional(),
  user: text.optional(),
  ready_timeout: deadline('60s'),
  deadline: deadline('10s'),
});

export const quiesceSchema = z.discriminatedUnion(
  'recipe',
  [
    z.strictObject({ recipe: z.literal('none') }),
    z.strictObject({
      recipe: z.literal('hooks'),
      folder: absolutePath,
      hook_timeout: deadline('30s'),
      deadline: deadline('60s'),
    }),
    z.strictObject({
      recipe: z.literal('sqlite'),
      databases: z.array(absolutePath).min(1),
      busy_timeout: deadline('5s'),
      deadline: deadline('30s'),
    }),
    z.strictObject({
      recipe: z.literal('cgroup'),
      folder: absolutePath,
      deadline: deadline('10s'),
    }),
    z.strictObject({
      recipe: z.literal('postgresql'),
      ...server('psql'),
      service: text.optional(),
      host: text.optional(),
      port: port.optional(),
      database: databaseName.default('postgres'),
      mode: z.enum(['auto', 'stop', 'backup']).default('auto'),
      backup_timeout: duration({ min: 1_000, max: 86_400_000 }).prefault('1h'),
    }),
    z.strictObject({
      recipe: z.literal('mariadb'),
      ...server('mariadb'),
      defaults_file: absolutePath.optional(),
      socket: absolutePath.optional(),
    }),
    z.strictObject({
      recipe: z.literal('redis'),
      ...server('redis-cli'),
      socket: absolutePath.optional(),
      host: text.optional(),
      port: port.optional(),
      password_file: absolutePath.optional(),
    }),
  ],
  { error: 'none, hooks, sqlite, cgroup, postgresql, mariadb or redis' },
);

type QuiesceFile = z.infer<typeof quiesceSchema>;

/** Of a recipe for a database server. */
export interface ServerChoice {
  /** The set's roots: everything that the server needs must lie in them. */
  readonly roots: readonly string[];
  readonly program: string;
  readonly runAs: string | undefined;
  readonly cgroup: string | undefined;
  readonly user: string | undefined;
  readonly readyMsMax: number;
  readonly deadlineMs: number;
}

export type QuiesceChoice =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'hooks';
      readonly folder: string;
      readonly hookTimeoutMs: number;
      readonly deadlineMs: number;
    }
  | {
      readonly kind: 'sqlite';
      /** Paths, or patterns with `*` and `?` in their last component. */
      readonly databases: readonly string[];
      readonly busyTimeoutMs: number;
      readonly deadlineMs: number;
    }
  | { readonly kind: 'cgroup'; readonly folder: string; readonly deadlineMs: number }
  | (ServerChoice & {
      readonly kind: 'postgresql';
      readonly service: string | undefined;
      readonly host: string | undefined;
      readonly port: number | undefined;
      readonly database: string;
      readonly mode: 'auto' | 'stop' | 'backup';
      readonly backupMsMax: number;
    })
  | (ServerChoice & {
      readonly kind: 'mariadb';
      readonly defaultsFile: string | undefined;
      readonly socket: string | undefined;
    })
  | (ServerChoice & {
      readonly kind: 'redis';
      readonly socket: string | undefined;
      readonly host: string | undefined;
      readonly port: number | undefined;
      readonly passwordFile: string | undefined;
    });

export function toQuiesce(quiesce: QuiesceFile, roots: readonly string[]): QuiesceChoice {
  switch (quiesce.recipe) {
    case 'none':
      return { kind: 'none' };
    case 'hooks': {
      const { folder, hook_timeout: hookTimeoutMs, deadline: deadlineMs } = quiesce;
      return { kind: 'hooks', folder, hookTimeoutMs, deadlineMs };
    }
    case 'sqlite': {
      const { databases, busy_timeout: busyTimeoutMs, deadline: deadlineMs } = quiesce;
      return { kind: 'sqlite', databases, busyTimeoutMs, deadlineMs };
    }
    case 'cgroup':
      return { kind: 'cgroup', folder: quiesce.folder, deadlineMs: quiesce.deadline };
    case 'postgresql': {
      const { service, host, port: at, database, mode, backup_timeout: backupMsMax } = quiesce;
      return {
        kind: 'postgresql',
        ...toServer(quiesce, roots),
        ...{ service, host, port: at, database, mode, backupMsMax },
      };
    }
    case 'mariadb': {
      const { defaults_file: defaultsFile, socket } = quiesce;
      return { kind: 'mariadb', ...toServer(quiesce, roots), defaultsFile, socket };
    }
    case 'redis': {
      const { socket, host, port: at, password_file: passwordFile } = quiesce;
      return {
        kind: 'redis',
        ...toServer(quiesce, roots),
        ...{ socket, host, port: at, passwordFile },
      };
    }
  }
}

type ServerFile = Extract<QuiesceFile, { recipe: 'postgresql' | 'mariadb' | 'redis' }>;

function toServer(server: ServerFile, roots: readonly string[]): ServerChoice {
  const { program, run_as: runAs, cgroup, user } = server;
  return {
    roots: roots.map((root) => resolve(root)),
    program,
    runAs,
    cgroup,
    user,
    readyMsMax: server.ready_timeout,
    deadlineMs: server.deadline,
  };
}
