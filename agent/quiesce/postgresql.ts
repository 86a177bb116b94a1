/**
 * Holds a PostgreSQL cluster by stopping all its processes: files and WAL are then of one instant,
 * and the copy starts as after a crash of the server alone, with every commit that was acknowledged.
 * Where that cannot be, or would be long, the cluster is read in its backup mode while it goes on.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.js';
import type { ClientSession } from './client-session.js';
import { beginPostgresqlBackup } from './postgresql-backup.js';
import { describe, inSession, refuseOutside } from './postgresql-session.js';
import type { BackupMode, PostgresqlConfig, QuiesceDeps, QuiesceRecipe } from './recipe.js';
import { serverRecipe, withinReadyTime } from './server-hold.js';
import type { ReadyServer } from './server-hold.js';
import { chooseFreezer, findServer } from './server-process.js';

const NAME = 'postgresql';
/** Checkpoints cost the server full page images: one this young is as good as a new one. */
const CHECKPOINT_AGE_S = 60;

const POSITION = `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
  ELSE pg_current_wal_lsn() END`;
const CHECKPOINT_AGE = `SELECT floor(extract(epoch FROM now() - checkpoint_time))
  FROM pg_control_checkpoint()`;

export function createPostgresqlRecipe(config: PostgresqlConfig, deps: QuiesceDeps): QuiesceRecipe {
  const { mode } = config;
  const backup: BackupMode = {
    when: mode === 'backup' ? 'always' : 'otherwise',
    begin: (signal) => beginPostgresqlBackup(config, deps, signal),
  };
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
    ...(mode === 'stop' ? {} : { backup }),
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
      facts: { ...about, mode: 'stop' },
      rest: async (limit) => {
        const [lsn = ''] = await session.ask(POSITION, limit);
        return { logPosition: lsn };
      },
      wake: () => Promise.resolve(),
    };
  });
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
