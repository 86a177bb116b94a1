/**
 * The process that holds SQLite databases by BEGIN IMMEDIATE: no writer commits while it does. It
 * opens them through SQLite only, since closing any other descriptor of a file would drop the
 * process's locks on it (R18); for the same reason the agent, which reads the files, is another
 * process. Its end, however it comes, releases.
 */
import Database from 'better-sqlite3';
import { messageOf } from '../../shared/errors.js';
import { readJsonLines, writeJsonLine } from './json-lines.js';
import { isToSqliteHolder } from './sqlite-protocol.js';
import type { FromSqliteHolder, ToSqliteHolder } from './sqlite-protocol.js';

/** Facts are kept in every point: of a set with more databases, the first ones tell enough. */
const DESCRIBED_MAX = 32;
const PRAGMAS = [
  'journal_mode',
  'page_size',
  'page_count',
  'freelist_count',
  'schema_version',
  'user_version',
  'application_id',
  'encoding',
] as const;

const held: Database.Database[] = [];

function say(message: FromSqliteHolder): void {
  writeJsonLine(process.stdout, message);
}

/** In one order for everybody, so that two holders never wait for each other. */
function hold(message: Extract<ToSqliteHolder, { do: 'hold' }>): void {
  const facts: Record<string, string | number> = {
    kind: 'sqlite',
    databases: message.databases.length,
  };
  for (const [index, path] of [...message.databases].sort().entries()) {
    try {
      const database = new Database(path, { fileMustExist: true, timeout: message.busyTimeoutMs });
      held.push(database);
      database.exec('BEGIN IMMEDIATE');
      if (index < DESCRIBED_MAX) describe(database, `database.${index}`, facts);
    } catch (error) {
      letGo();
      say({ say: 'failed', database: path, message: messageOf(error) });
      return;
    }
  }
  say({ say: 'held', facts });
}

function describe(
  database: Database.Database,
  prefix: string,
  facts: Record<string, string | number>,
): void {
  facts['version'] = String(database.prepare('SELECT sqlite_version()').pluck().get());
  facts[`${prefix}.path`] = database.name;
  for (const pragma of PRAGMAS) {
    const value: unknown = database.pragma(pragma, { simple: true });
    facts[`${prefix}.${pragma}`] = typeof value === 'number' ? value : String(value);
  }
}

function letGo(): void {
  for (const database of held.splice(0)) {
    if (database.inTransaction) database.exec('ROLLBACK');
    database.close();
  }
}

process.stdout.on('error', () => undefined); // the agent is gone; its end of stdin says so too
readJsonLines(
  process.stdin,
  (message) => {
    if (!isToSqliteHolder(message)) return;
    if (message.do === 'hold') hold(message);
    else {
      letGo();
      say({ say: 'released' });
    }
  },
  () => process.exit(0),
);
say({ say: 'ready' });
