/**
 * Holds a PostgreSQL cluster by stopping all its processes: files and WAL are then of one instant,
 * and the copy starts as after a crash of the server alone, with every commit that was acknowledged.
 * See docs/design/quiesce.md for why this and not pg_backup_start.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.js';
import { openSession } from './client-session.js';
import type { ClientSession } from './client-session.js';
import { killProcess } from './process-identity.js';
import type { PostgresqlConfig, QuiesceDeps, QuiesceFacts, QuiesceRecipe } from './recipe.js';
import { serverRecipe, withinReadyTime } from './server-hold.js';
import type { ReadyServer } from './server-hold.js';
import { chooseFreezer, findServer, outsideOf } from './server-process.js';

const NAME = 'postgresql';
/** Checkpoints cost the server full page images: one this young is as good as a new one. */
const CHECKPOINT_AGE_S = 60;

const ABOUT = `SELECT current_setting('server_version'), current_setting('data_directory'),
  current_setting('config_file'), (SELECT system_identifier FROM pg_control_system()),
  (SELECT timeline_id FROM pg_control_checkpoint()), pg_is_in_recovery(),
  current_setting('synchronous_commit'), current_setting('wal_level')`;
const TABLESPACES = `SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace
  WHERE pg_tablespace_location(oid) <> ''`;
const POSITION = `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
  ELSE pg_current_wal_lsn() END`;
const CHECKPOINT_AGE = `SELECT floor(extract(epoch FROM now() - checkpoint_time))
  FROM pg_control_checkpoint()`;

export function createPostgresqlRecipe(config: PostgresqlConfig, deps: QuiesceDeps): QuiesceRecipe {
  return {
    ...serverRecipe({
      name: NAME,
      config,
      deps,
      ready: (signal) => getReady(config, deps, signal),
    }),
    prepare: (signal) =>
      withinReadyTime({ name: NAME }, signal, async () => {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(config.readyMsMax)]);
        return await inSession(config, (session) => checkpoint(session, limit));
      }),
  };
}

/** Recovery begins at the last checkpoint, and what it wrote need not be written in the hold. */
async function checkpoint(
  session: ClientSession,
  signal: AbortSignal,
): Promise<'wrote' | 'nothing'> {
  const [age] = await session.ask(CHECKPOINT_AGE, signal);
  const isOld = Number(age) >= CHECKPOINT_AGE_S;
  if (isOld) await session.ask('CHECKPOINT', signal);
  session.close();
  return isOld ? 'wrote' : 'nothing';
}

async function getReady(
  config: PostgresqlConfig,
  deps: QuiesceDeps,
  signal: AbortSignal,
): Promise<ReadyServer> {
  return await inSession(config, async (session) => {
    const about = await describe(session, signal);
    await refuseOutside(config, { session, dataFolder: about.dataFolder, signal });
    const server = findServer(postmasterOf(about.dataFolder), about.dataFolder);
    const { cgroup } = config;
    const own = [process.pid, deps.watchdog.pid];
    return {
      session,
      freezer: chooseFreezer({ server, cgroup, own }),
      facts: about,
      rest: async (limit) => {
        const [lsn = ''] = await session.ask(POSITION, limit);
        return { logPosition: lsn };
      },
      wake: () => Promise.resolve(),
    };
  });
}

type About = QuiesceFacts & { readonly dataFolder: string };

async function describe(session: ClientSession, signal: AbortSignal): Promise<About> {
  const [row = ''] = await session.ask(ABOUT, signal);
  const [version = '', dataFolder = '', configFile = '', system = '', ...rest] = row.split('\t');
  const [timeline = '', recovery = '', synchronousCommit = '', walLevel = ''] = rest;
  return {
    version,
    dataFolder,
    configFile,
    systemIdentifier: system,
    timeline: Number(timeline),
    inRecovery: recovery === 't',
    synchronousCommit,
    walLevel,
  };
}

/** A point without all of the cluster would look whole and not start. */
async function refuseOutside(
  { roots }: PostgresqlConfig,
  at: {
    readonly session: ClientSession;
    readonly dataFolder: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const rows = await at.session.ask(TABLESPACES, at.signal);
  const tablespaces = rows.map((row): [string, string] => {
    const [name = '', path = ''] = row.split('\t');
    return [`tablespace ${name}`, path];
  });
  const outside = outsideOf(roots, {
    'data folder': at.dataFolder,
    pg_wal: join(at.dataFolder, 'pg_wal'),
    ...Object.fromEntries(tablespaces),
  });
  if (outside.length > 0) throw new Error(`outside of the set's roots: ${outside.join(', ')}`);
}

function postmasterOf(dataFolder: string): number {
  try {
    return Number(readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch (error) {
    throw new Error(`the server's postmaster.pid cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The session stays open for who got it; it is killed when `work` fails. */
async function inSession<T>(
  config: PostgresqlConfig,
  work: (session: ClientSession) => Promise<T>,
): Promise<T> {
  const { program, runAs, service, host, port, user, database } = config;
  const given = { PGSERVICE: service, PGHOST: host, PGPORT: port?.toString(), PGUSER: user };
  const session = openSession({
    program,
    runAs,
    args: ['-X', '-A', '-t', '-q', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', database],
    env: { PGCONNECT_TIMEOUT: '10', PGAPPNAME: 'afterimage', ...withoutGaps(given) },
    frame: (command, mark) => `${command};\nSELECT '${mark}';\n`,
  });
  try {
    return await work(session);
  } catch (error) {
    killProcess(session.identity, 'process');
    throw error;
  }
}

function withoutGaps(given: Record<string, string | undefined>): Record<string, string> {
  const entries = Object.entries(given);
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
