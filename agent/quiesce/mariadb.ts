/**
 * Holds a MariaDB server: BACKUP STAGE writes out and closes what InnoDB's log does not cover and
 * blocks commits, then the server's process is stopped. Without the stop its page cleaner would go on
 * writing, and files read one after the other would not recover.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../../shared/errors.js';
import { openSession } from './client-session.js';
import type { ClientSession } from './client-session.js';
import { killProcess } from './process-identity.js';
import type { MariadbConfig, QuiesceDeps, QuiesceFacts, QuiesceRecipe } from './recipe.js';
import { serverRecipe } from './server-hold.js';
import type { ReadyServer } from './server-hold.js';
import { chooseFreezer, findServer, outsideOf } from './server-process.js';

const NAME = 'mariadb';

const ABOUT = `SELECT @@version, @@datadir, @@pid_file, @@log_bin_basename,
  @@innodb_data_home_dir, @@innodb_log_group_home_dir, @@innodb_undo_directory, @@server_id,
  @@innodb_flush_log_at_trx_commit`;
const TABLESPACES = `SELECT NAME, FILENAME FROM information_schema.INNODB_SYS_TABLESPACES
  WHERE FILENAME LIKE '/%'`;

export function createMariadbRecipe(config: MariadbConfig, deps: QuiesceDeps): QuiesceRecipe {
  return serverRecipe({
    name: NAME,
    config,
    deps,
    ready: (signal) => getReady(config, deps, signal),
  });
}

async function getReady(
  config: MariadbConfig,
  deps: QuiesceDeps,
  signal: AbortSignal,
): Promise<ReadyServer> {
  const session = connect(config);
  try {
    const facts = await describe(config, { session, deps, signal });
    const server = findServer(processOf(facts.pidFile), facts.dataFolder);
    const { cgroup } = config;
    const freezer = chooseFreezer({ server, cgroup, own: [process.pid, deps.watchdog.pid] });
    // None of these stages holds up a commit; the last one, in the hold, does.
    const lockSeconds = Math.max(1, Math.ceil(config.deadlineMs / 1000));
    await session.ask(`SET SESSION lock_wait_timeout = ${lockSeconds}`, signal);
    for (const stage of ['START', 'FLUSH', 'BLOCK_DDL']) {
      await session.ask(`BACKUP STAGE ${stage}`, signal);
    }
    return {
      session,
      freezer,
      facts,
      rest: (limit) => blockCommits(session, limit),
      wake: async (limit) => {
        await session.ask('BACKUP STAGE END', limit);
      },
    };
  } catch (error) {
    killProcess(session.identity, 'process');
    throw error;
  }
}

async function blockCommits(session: ClientSession, signal: AbortSignal): Promise<QuiesceFacts> {
  await session.ask('BACKUP STAGE BLOCK_COMMIT', signal);
  const [gtid = ''] = await session.ask('SELECT @@gtid_binlog_pos', signal);
  const [status] = await session.ask('SHOW MASTER STATUS', signal);
  if (status === undefined) return { binlog: false };
  const [file = '', position = ''] = status.split('\t');
  return { logPosition: `${file}:${position}`, binlog: true, gtid };
}

type About = QuiesceFacts & { readonly dataFolder: string; readonly pidFile: string };

async function describe(
  { roots }: MariadbConfig,
  at: { readonly session: ClientSession; readonly deps: QuiesceDeps; readonly signal: AbortSignal },
): Promise<About> {
  const [row = ''] = await at.session.ask(ABOUT, at.signal);
  const [version = '', dataFolder = '', pidFile = '', binlog = '', ...rest] = row.split('\t');
  const [home = '', logs = '', undo = '', serverId = '', flush = ''] = rest;
  const place = (path: string): string => resolve(dataFolder, path === 'NULL' ? '' : path);
  const rows = await at.session.ask(TABLESPACES, at.signal);
  const tablespaces = rows.map((line): [string, string] => {
    const [name = '', path = ''] = line.split('\t');
    return [`tablespace ${name}`, path];
  });
  const outside = outsideOf(roots, {
    'data folder': dataFolder,
    innodb_data_home_dir: place(home),
    innodb_log_group_home_dir: place(logs),
    innodb_undo_directory: place(undo),
    ...Object.fromEntries(tablespaces),
  });
  if (outside.length > 0) throw new Error(`outside of the set's roots: ${outside.join(', ')}`);
  // Not needed to start; who replicates or wants to roll forward needs it.
  const binlogOutside = binlog !== 'NULL' && outsideOf(roots, { binlog }).length > 0;
  if (binlogOutside) at.deps.log.warn("the binary log is outside of the set's roots", { binlog });
  return {
    version,
    dataFolder: resolve(dataFolder),
    pidFile: place(pidFile),
    serverId: Number(serverId),
    flushLogAtCommit: Number(flush),
    binlogOutside,
  };
}

function processOf(pidFile: string): number {
  try {
    return Number(readFileSync(pidFile, 'utf8').trim());
  } catch (error) {
    throw new Error(`the server's pid file cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function connect({ program, runAs, defaultsFile, socket, user }: MariadbConfig): ClientSession {
  return openSession({
    program,
    runAs,
    args: [
      ...(defaultsFile === undefined ? [] : [`--defaults-extra-file=${defaultsFile}`]),
      ...(socket === undefined ? [] : [`--socket=${socket}`]),
      ...(user === undefined ? [] : [`--user=${user}`]),
      '--batch',
      '--skip-column-names',
      '--unbuffered',
      '--skip-reconnect',
      '--connect-timeout=10',
    ],
    env: {},
    frame: (command, mark) => `${command};\nSELECT '${mark}';\n`,
  });
}
