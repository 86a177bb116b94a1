/**
 * Rows that are written many in a statement: a statement costs more than the row it writes. What is
 * added is in the database only after `flush`.
 */
import type { IndexDb } from './index-db.js';

/** Rows of one statement: the most that are kept back, then less, so that few are left for single ones. */
const SIZES = [64, 16, 4, 1] as const;

export class ManyRows {
  readonly #db: IndexDb;
  readonly #columns: number;
  /** A statement's text for each of SIZES. */
  readonly #sql: readonly string[];
  #values: unknown[] = [];

  /** `head` is all that comes before VALUES, with as many columns as `columns`. */
  constructor(db: IndexDb, { head, columns }: { readonly head: string; readonly columns: number }) {
    this.#db = db;
    this.#columns = columns;
    const row = `(${Array.from({ length: columns }, () => '?').join(',')})`;
    this.#sql = SIZES.map((rows) => `${head} VALUES ${Array<string>(rows).fill(row).join(',')}`);
  }

  /** Takes the values of one row; writes when there are many. They stay as they are until then. */
  add(...row: readonly unknown[]): void {
    for (const value of row) this.#values.push(value);
    if (this.#values.length >= SIZES[0] * this.#columns) this.flush();
  }

  /** Writes what was added, in its order; after an error, none of it is kept. */
  flush(): void {
    if (this.#values.length === 0) return;
    const values = this.#values;
    this.#values = [];
    let from = 0;
    for (const [size, rows] of SIZES.entries()) {
      const length = rows * this.#columns;
      const statement = this.#db.prepare(this.#sql[size] ?? '');
      for (; values.length - from >= length; from += length) {
        statement.run(length === values.length ? values : values.slice(from, from + length));
      }
    }
  }

  /** Forgets what was added and is not written. */
  clear(): void {
    this.#values = [];
  }
}
