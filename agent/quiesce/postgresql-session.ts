/** Words with a PostgreSQL server: through its own client, and what every way of copying it asks first. */
import { join } from 'node:path';
import { openSession } from './client-session.js';
import type { ClientSession } from './client-session.js';
import { killProcess } from './process-identity.js';
import type { PostgresqlConfig, QuiesceFacts } from './recipe.js';
import { outsideOf } from './server-process.js';

const ABOUT = `SELECT current_setting('server_version'), current_setting('data_directory'),
  current_setting('config_file'), (SELECT system_identifier FROM pg_control_system()),
  (SELECT timeline_id FROM pg_control_checkpoint()), pg_is_in_recovery(),
  current_setting('synchronous_commit'), current_setting('wal_level')`;
const TABLESPACES = `SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace
  WHERE pg_tablespace_location(oid) <> ''`;

export type About = QuiesceFacts & { readonly dataFolder: string };

export async function describe(session: ClientSession, signal: AbortSignal): Promise<About> {
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
export async function refuseOutside(
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

/** The session stays open for who got it; it is killed when `work` fails. */
export async function inSession<T>(
  config: PostgresqlConfig,
  work: (session: ClientSession) => Promise<T>,
): Promise<T> {
  const { program, runAs, service, host, port, user, database } = config;
  // As an argument it could be a whole connection string.
  const given = {
    PGDATABASE: database,
    PGSERVICE: service,
    PGHOST: host,
    PGPORT: port?.toString(),
    PGUSER: user,
  };
  const session = openSession({
    program,
    runAs,
    args: ['-X', '-A', '-t', '-q', '-F', '\t', '-v', 'ON_ERROR_STOP=1'],
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
