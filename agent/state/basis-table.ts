/**
 * Which look the digest rows of a large file are of (agent/ranges): a word that only that look had.
 * It changes with the rows and is taken back with them, so a look whose basis stands here may leave
 * out what did not change since.
 */
import type { Database } from 'better-sqlite3';
import type { StateDatabase } from './state-database.js';

export class BasisTable {
  readonly #base: StateDatabase;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(base: StateDatabase) {
    this.#base = base;
    this.#sql = prepare(base.db);
  }

  /** Undefined: whoever reads the file next must read it whole. */
  get(node: number): string | undefined {
    return this.#sql.get.get(node);
  }

  set(node: number, basis: string): void {
    this.#keep(node);
    this.#sql.set.run(node, basis);
  }

  remove(node: number): void {
    if (this.get(node) === undefined) return;
    this.#keep(node);
    this.#sql.remove.run(node);
  }

  #keep(node: number): void {
    this.#base.writing();
    if (node < this.#base.undoBelow) this.#sql.keep.run(node, node);
  }
}

function prepare(db: Database) {
  return {
    get: db.prepare<[number], string>('SELECT basis FROM basis WHERE node = ?').pluck(),
    set: db.prepare('INSERT OR REPLACE INTO basis VALUES (?, ?)'),
    remove: db.prepare('DELETE FROM basis WHERE node = ?'),
    keep: db.prepare(
      `INSERT OR IGNORE INTO undo_basis
       VALUES (?, (SELECT basis FROM basis WHERE node = ?))`,
    ),
  };
}
