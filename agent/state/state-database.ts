/**
 * Opens a set's state database and gathers its small writes into larger transactions: WAL without
 * a flush per commit, and one durable commit where a promise rests on it (R13).
 */
import Database from 'better-sqlite3';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { AfterimageError } from '../../shared/errors.js';
import { Checkpointer } from './checkpointer.js';
import { basisSchema, STATE_VERSION, stateSchema } from './schema.js';

/** Writes gathered in one transaction before `breathe` commits it. */
const WRITES_MAX = 8_000;
/** Of 8 KiB. SQLite brings a log of so many into the database by itself, holding up the agent. */
const LOG_PAGES = { alone: 2_000, besideThread: 16_000 } as const;
/** Rows whose flush holds up the agent for a few milliseconds at most. */
const FLUSHED_AT_ONCE = 500;

export class StateDatabase {
  readonly db: Database.Database;
  readonly #getMeta: Database.Statement<[string]>;
  readonly #setMeta: Database.Statement<[string, unknown]>;
  readonly #checkpoints: Checkpointer;
  readonly #logFile: string;
  #writes = 0;
  /** Rows committed since the log was flushed. */
  #unflushed = 0;
  /**
   * Rows of nodes below this number get an undo image before they change: the first node of the
   * sync in flight, 0 while there is none.
   */
  undoBelow = 0;
  /** Rows of nodes, entries and digests that wait to be written many at once. */
  gathered: { flush(): void } | undefined;

  /** @throws AfterimageError `database-version`, `storage-failed` */
  constructor(path: string) {
    this.db = openFile(path);
    this.#logFile = `${path}-wal`;
    this.#checkpoints = new Checkpointer(path, () => {
      this.db.pragma(`wal_autocheckpoint = ${LOG_PAGES.alone}`);
    });
    try {
      this.#create();
      this.#getMeta = this.db.prepare<[string]>('SELECT value FROM meta WHERE key = ?').pluck();
      this.#setMeta = this.db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)');
      const version = this.#getMeta.get('version');
      if (version !== STATE_VERSION) {
        throw new AfterimageError('database-version', `${path} has version ${String(version)}`, {
          facts: { path, expected: STATE_VERSION },
        });
      }
    } catch (error) {
      this.db.close();
      throw error;
    }
  }

  #create(): void {
    const there = this.db
      .prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'")
      .pluck()
      .get();
    if (there === 1) {
      this.db.exec(basisSchema);
      return;
    }
    this.db.transaction(() => {
      this.db.exec(stateSchema);
      this.db.exec(basisSchema);
      const set = this.db.prepare('INSERT INTO meta VALUES (?, ?)');
      set.run('version', STATE_VERSION);
      set.run('incarnation', randomBytes(16));
      set.run('point', 0);
      set.run('chain', Buffer.alloc(32));
      set.run('nextNode', 2);
      set.run('nextSync', 1);
      set.run('files', 0);
    })();
  }

  metaNumber(key: string): number {
    const value = this.#getMeta.get(key);
    return typeof value === 'number' ? value : 0;
  }

  /** Undefined when nothing was ever kept under this key. */
  metaNumberIfKept(key: string): number | undefined {
    const value = this.#getMeta.get(key);
    return typeof value === 'number' ? value : undefined;
  }

  metaBytes(key: string): Buffer | undefined {
    const value = this.#getMeta.get(key);
    return Buffer.isBuffer(value) ? value : undefined;
  }

  setMeta(key: string, value: number | Buffer): void {
    this.writing();
    this.#setMeta.run(key, value);
  }

  /** To be called before every look at nodes, entries and digests. */
  reading(): void {
    this.gathered?.flush();
  }

  /** To be called before every write, of so many rows: opens the gathering transaction. */
  writing(rows = 1): void {
    this.gathered?.flush();
    if (this.#writes === 0) this.db.exec('BEGIN');
    this.#writes += rows;
  }

  /**
   * Commits when enough has gathered; only where every row and its undo image are written. Nothing
   * must be written until what it returns has resolved: the log is brought into the database.
   */
  breathe(): Promise<void> | undefined {
    if (this.#writes < WRITES_MAX && !this.#checkpoints.full) return undefined;
    this.commit();
    return this.#checkpoints.room();
  }

  /** Commits, and flushes what was committed without holding up the agent: little is left then. */
  async flushAhead(): Promise<void> {
    this.commit();
    if (this.#unflushed < FLUSHED_AT_ONCE) return;
    this.#unflushed = 0;
    const log = await open(this.#logFile, 'r+');
    try {
      await log.datasync();
    } finally {
      await log.close();
    }
  }

  /** @throws AfterimageError `storage-failed` when a failing disk took with it what had gathered */
  commit(): void {
    this.gathered?.flush();
    if (this.#writes === 0) return;
    const rows = this.#writes;
    this.#writes = 0;
    // SQLite may end a transaction by itself, with all its rows, when it cannot write.
    if (!this.db.inTransaction)
      throw new AfterimageError('storage-failed', 'rows were lost when the disk failed');
    try {
      this.db.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      throw error;
    }
    this.#unflushed += rows;
    this.#checkpoints.wrote(rows);
  }

  /** Runs `work` in a transaction of its own: it is done whole, or not at all. */
  alone(work: () => void): void {
    this.commit();
    this.writing();
    try {
      work();
    } catch (error) {
      this.#rollBack();
      throw error;
    }
    this.commit();
  }

  /** Else the next transaction could not begin. */
  #rollBack(): void {
    this.#writes = 0;
    if (this.db.inTransaction) this.db.exec('ROLLBACK');
  }

  /** Commits, with `last` in one transaction, and returns once a power cut cannot take it. */
  commitDurably(last: () => void): void {
    this.commit();
    this.db.pragma('synchronous = FULL');
    try {
      this.alone(last);
    } finally {
      this.db.pragma('synchronous = NORMAL');
    }
  }

  close(): void {
    try {
      this.commit();
    } finally {
      this.#checkpoints.close();
      this.db.close();
    }
  }
}

function openFile(path: string): Database.Database {
  try {
    const db = new Database(path);
    db.pragma('page_size = 8192');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    db.pragma(`wal_autocheckpoint = ${LOG_PAGES.besideThread}`);
    db.pragma('cache_size = -8000');
    db.pragma('temp_store = MEMORY');
    return db;
  } catch (error) {
    throw new AfterimageError('storage-failed', `cannot open ${path}`, {
      cause: error,
      facts: { path },
    });
  }
}
