/**
 * Where older versions of blocks are, by digest: the index itself finds newest contents only. Made
 * when the first damage of a round asks for it, by one pass over the rows of history, in a file
 * that SQLite removes by itself; rows are hints, as those of `locate` are (R27).
 */
import Database from 'better-sqlite3';
import type { TimeSlice } from '../../shared/time-slice.js';
import { IndexDb } from '../index/index-db.js';
import { paged } from '../index/paged.js';
import { digestPrefix } from '../stage/staged-block.js';

export interface BlockPlace {
  readonly body: number;
  readonly block: number;
}

const BATCH_ROWS = 1000;
/** About 100 MiB of SQLite's temporary folder; twins of what comes after are not found. */
const ROWS_MAX = 2_000_000;

export class HistoryHints {
  readonly #db: IndexDb;
  readonly #known = new Set<string>();
  readonly #rowsMax: number;
  #rows = 0;

  constructor(options: { readonly rowsMax?: number } = {}) {
    this.#rowsMax = options.rowsMax ?? ROWS_MAX;
    // No name: on disk, for as long as it is open.
    const db = new Database('');
    db.exec(
      `CREATE TABLE hint (prefix INTEGER, name TEXT, body INTEGER, block INTEGER,
       PRIMARY KEY (prefix, name, body, block)) WITHOUT ROWID`,
    );
    this.#db = new IndexDb(db);
  }

  /** Reads a set's history, once. */
  async fill(
    set: { readonly name: string; readonly index: IndexDb },
    slice: TimeSlice,
  ): Promise<void> {
    if (this.#known.has(set.name)) return;
    const rows = paged<BlockPlace & { hi: number; digest: Buffer }>(set.index, {
      sql: `SELECT body, block, hi, digest FROM before
            WHERE (body, block, hi) > (?, ?, ?) ORDER BY body, block, hi LIMIT ?`,
      start: [-1, 0, 0],
      cursorOf: ({ body, block, hi }) => [body, block, hi],
    });
    let batch = 0;
    this.#db.db.exec('BEGIN');
    for (const { body, block, digest } of rows) {
      if (this.#rows >= this.#rowsMax) break;
      this.#rows += this.#db.run(
        'INSERT OR IGNORE INTO hint VALUES (?, ?, ?, ?)',
        digestPrefix(digest),
        set.name,
        body,
        block,
      );
      if (++batch % BATCH_ROWS === 0) await slice.breathe();
    }
    this.#db.db.exec('COMMIT');
    this.#known.add(set.name);
  }

  places(at: {
    readonly name: string;
    readonly digest: Buffer;
    readonly limit: number;
  }): BlockPlace[] {
    return this.#db.all<BlockPlace>(
      'SELECT body, block FROM hint WHERE prefix = ? AND name = ? LIMIT ?',
      digestPrefix(at.digest),
      at.name,
      at.limit,
    );
  }

  close(): void {
    this.#db.close();
  }
}
