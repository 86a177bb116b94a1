/**
 * Stands between the product and SQLite: a commit is a step, and what a process that dies or a power
 * cut leaves of a database is worked out from its write-ahead log. With `synchronous = FULL` a
 * commit is on disk when it returns; with `NORMAL` any mix of the log's pages since the last flush is.
 */
import Database from 'better-sqlite3';
import type { Seeded } from '../../support/seeded.js';
import type { Journal, Kept } from './journal.js';
import { isThere, realFs, removeTree, writeWhole } from './real-fs.js';
import type { Steps } from './steps.js';
import { logEnd, logSalt, loseLogPages } from './write-ahead-log.js';

type Db = Database.Database;
type Statement = Database.Statement;
interface Iterator {
  return?: () => unknown;
}

interface Open {
  readonly file: string;
  readonly readonly: boolean;
  readonly iterators: Iterator[];
}

/** How far a database's log is on disk for sure. */
interface Flushed {
  readonly salt: string;
  readonly end: number;
}

const FULL = 2;
/** Past so many bytes SQLite copies the log into the database, for which it flushes both. */
const CHECKPOINT_BYTES = 4_000_000;

/* eslint-disable @typescript-eslint/unbound-method -- they are called with their object */
const databaseReal = {
  exec: Database.prototype.exec,
  pragma: Database.prototype.pragma,
  close: Database.prototype.close,
};
const statementPrototype = Object.getPrototypeOf(
  new Database(':memory:').prepare('SELECT 1'),
) as Statement;
const statementReal = { run: statementPrototype.run, iterate: statementPrototype.iterate };
/* eslint-enable @typescript-eslint/unbound-method */

export class WatchedDatabases {
  readonly #root: string;
  readonly #steps: Steps;
  readonly #journal: Journal;
  readonly #open = new Map<Db, Open>();
  readonly #flushed = new Map<string, Flushed>();

  constructor(root: string, steps: Steps, journal: Journal) {
    this.#root = root;
    this.#steps = steps;
    this.#journal = journal;
  }

  install(): void {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- methods of another class need both
    const watch = this;
    Database.prototype.exec = function exec(this: Db, sql: string): Db {
      return watch.#exec(this, sql);
    };
    Database.prototype.pragma = function pragma(
      this: Db,
      sql: string,
      options?: Database.PragmaOptions,
    ): unknown {
      return watch.#pragma(this, sql, options);
    };
    Database.prototype.close = function close(this: Db): Db {
      return watch.#close(this);
    };
    statementPrototype.run = function run(
      this: Statement,
      ...parameters: unknown[]
    ): Database.RunResult {
      return watch.#run(this, parameters);
    };
    statementPrototype.iterate = function iterate(
      this: Statement,
      ...parameters: unknown[]
    ): IterableIterator<unknown> {
      const rows = statementReal.iterate.apply(this, parameters);
      watch.#open.get(this.database)?.iterators.push(rows);
      return rows;
    };
  }

  uninstall(): void {
    Object.assign(Database.prototype, databaseReal);
    Object.assign(statementPrototype, statementReal);
  }

  /** Everything committed so far is on disk. */
  flushAll(): void {
    for (const { file } of this.#open.values()) this.#noteFlushed(file);
  }

  /**
   * Ends all connections as the death of their process does: no rollback, no checkpoint. With `cut`
   * the power goes too.
   */
  die(cut: { readonly random: Seeded; readonly kept: Kept } | undefined): void {
    const files = [...new Set([...this.#open.values()].map(({ file }) => file))];
    const left = files.map((file) => ({ file, db: bytesOf(file), log: bytesOf(`${file}-wal`) }));
    for (const [db, { iterators }] of this.#open) {
      for (const rows of iterators) rows.return?.();
      databaseReal.close.call(db);
    }
    this.#open.clear();
    for (const { file, db, log } of left) {
      if (db === undefined) continue;
      writeWhole(file, db);
      removeTree(`${file}-shm`);
      if (log === undefined) continue;
      writeWhole(`${file}-wal`, this.#afterCut(file, log, cut));
      if (cut !== undefined) this.#noteFlushed(file);
    }
  }

  #afterCut(
    file: string,
    log: Buffer,
    cut: { readonly random: Seeded; readonly kept: Kept } | undefined,
  ): Buffer {
    if (cut === undefined || cut.kept === 'all' || cut.kept === 'bytes') return log;
    const flushed = this.#flushed.get(file);
    const from = flushed !== undefined && flushed.salt === logSalt(log) ? flushed.end : 0;
    return loseLogPages(log, from, () => cut.kept === 'mixed' && cut.random.chance(0.5));
  }

  #noteFlushed(file: string): void {
    const log = bytesOf(`${file}-wal`);
    if (log !== undefined) this.#flushed.set(file, { salt: logSalt(log), end: logEnd(log) });
  }

  #ours(db: Db): Open | undefined {
    if (!db.name.startsWith(`${this.#root}/`)) return undefined;
    let open = this.#open.get(db);
    if (open === undefined) {
      open = { file: db.name, readonly: db.readonly, iterators: [] };
      this.#open.set(db, open);
    }
    return open;
  }

  #area(file: string): string {
    const below = file.slice(this.#root.length + 1);
    return below.split('/')[0] ?? below;
  }

  /** A step that ends with something committed. */
  #commit<T>(db: Db, open: Open, work: () => T): T {
    this.#steps.before(`commit ${this.#area(open.file)}`);
    const isNew = realFs.statSync(open.file).size === 0;
    const result = work();
    // Making a database flushes it and the folder it is in.
    if (isNew) this.#journal.settleNames();
    const level = databaseReal.pragma.call(db, 'synchronous', { simple: true });
    const size = realFs.statSync(`${open.file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    if (level === FULL || size > CHECKPOINT_BYTES) this.#noteFlushed(open.file);
    return result;
  }

  #exec(db: Db, sql: string): Db {
    const open = this.#ours(db);
    const passes = /^(BEGIN|ROLLBACK)/.test(sql);
    if (open === undefined || passes) return databaseReal.exec.call(db, sql);
    return this.#commit(db, open, () => databaseReal.exec.call(db, sql));
  }

  #pragma(db: Db, sql: string, options?: Database.PragmaOptions): unknown {
    const open = this.#ours(db);
    const work = (): unknown => databaseReal.pragma.call(db, sql, options);
    const writes = /^(journal_mode|user_version|wal_checkpoint|incremental_vacuum)\b.*[=(]/.test(
      sql,
    );
    if (open === undefined || !(writes || sql === 'incremental_vacuum')) return work();
    return this.#commit(db, open, work);
  }

  #run(statement: Statement, parameters: unknown[]): Database.RunResult {
    const db = statement.database;
    const open = this.#ours(db);
    const work = (): Database.RunResult => statementReal.run.apply(statement, parameters);
    if (open === undefined || /^(BEGIN|ROLLBACK|SAVEPOINT|RELEASE)/.test(statement.source))
      return work();
    if (this.#steps.killed !== undefined) this.#steps.before('write to a database');
    const commits = statement.source === 'COMMIT' || (!db.inTransaction && !statement.readonly);
    return commits ? this.#commit(db, open, work) : work();
  }

  /** The last connection to close copies the log into the database and flushes both. */
  #close(db: Db): Db {
    const open = this.#open.get(db);
    if (open === undefined) return databaseReal.close.call(db);
    if (this.#steps.killed !== undefined) return db;
    if (!open.readonly) this.#steps.before(`close ${this.#area(open.file)}`);
    this.#open.delete(db);
    return databaseReal.close.call(db);
  }
}

function bytesOf(file: string): Buffer | undefined {
  return isThere(file) ? realFs.readFileSync(file) : undefined;
}
