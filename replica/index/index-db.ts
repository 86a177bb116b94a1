/**
 * Opens a set's index and keeps its statements. One connection writes (the set's writer), another
 * reads; readers see committed state only and never block the writer (WAL).
 */
import Database from 'better-sqlite3';
import { AfterimageError } from '../../shared/errors.js';
import { digestSchema } from './digest-schema.js';
import { INDEX_VERSION, INDEX_VERSION_MIN, indexSchema } from './schema.js';

export type Row = Record<string, unknown>;
type Statement = Database.Statement;

/** A connection with a cache of prepared statements, so that SQL stands where it is used. */
export class IndexDb {
  readonly db: Database.Database;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database.Database) {
    this.db = db;
  }

  /** The prepared statement of `sql`. */
  prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** First row or undefined. The caller names the row's shape, which is the SELECT's. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the row's shape
  get<T>(sql: string, ...parameters: unknown[]): T | undefined {
    return this.prepare(sql).get(...parameters) as T | undefined;
  }

  all<T>(sql: string, ...parameters: unknown[]): T[] {
    return this.prepare(sql).all(...parameters) as T[];
  }

  /** Rows one by one, on a statement of its own: iteration may be nested and interleaved. */
  iterate<T>(sql: string, ...parameters: unknown[]): IterableIterator<T> {
    return this.db.prepare(sql).iterate(...parameters) as IterableIterator<T>;
  }

  run(sql: string, ...parameters: unknown[]): number {
    return this.prepare(sql).run(...parameters).changes;
  }

  /** Runs `body` in one transaction that is on disk when this returns. */
  durably(body: () => void): void {
    this.db.pragma('synchronous = FULL');
    this.db.transaction(body).immediate();
  }

  close(): void {
    this.db.close();
  }
}

/** Opens the index at `file`, making it when it is not there. */
export function openIndex(file: string): IndexDb {
  const db = new Database(file);
  try {
    prepareIndex(db, file);
  } catch (error) {
    db.close();
    throw error;
  }
  return new IndexDb(db);
}

function prepareIndex(db: Database.Database, file: string): void {
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('cache_size = -16384');
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version === 0 || (version >= INDEX_VERSION_MIN && version < INDEX_VERSION)) {
    db.exec(indexSchema);
    db.pragma(`user_version = ${INDEX_VERSION}`);
  } else if (version !== INDEX_VERSION) {
    throw new AfterimageError('database-version', `${file} has index version ${String(version)}`);
  }
  db.exec(digestSchema);
}

/** A connection that only reads. */
export function openIndexReader(file: string): IndexDb {
  const db = new Database(file, { readonly: true, fileMustExist: true });
  db.pragma('cache_size = -16384');
  return new IndexDb(db);
}
