/** Digest rows of files (block-row.ts), with undo images and the provisional rows of lost syncs. */
import type { Database } from 'better-sqlite3';
import { DIGEST_BYTES } from '../../shared/limits.js';
import { digestInRow, eachDigest, ROW_BLOCKS } from './block-row.js';
import type { NewFiles } from './new-files.js';
import type { StateDatabase } from './state-database.js';

/** A locator is row × 16 + place. */
const LOCATOR_PLACES = ROW_BLOCKS;
/** Rows beyond this have no 40-bit locator; their digests are not remembered for dedup. */
const ROW_ID_MAX = 2 ** 36 - 2;

export class DigestTable {
  readonly #base: StateDatabase;
  readonly #newFiles: Pick<NewFiles, 'digestRow'>;
  readonly #sql: ReturnType<typeof prepare>;

  /** `newFiles`: has rows that wait. */
  constructor(base: StateDatabase, newFiles: Pick<NewFiles, 'digestRow'>) {
    this.#base = base;
    this.#newFiles = newFiles;
    this.#sql = prepare(base.db);
  }

  /** The row that starts at block `first`; undefined when its blocks are all zero. */
  read(node: number, first: number): Buffer | undefined {
    this.#base.reading();
    return this.#sql.read.get(node, first);
  }

  /**
   * Writes a row, or removes it when `bytes` is undefined. Returns what `locatorOf` takes, 0 when
   * there is no row.
   */
  write(node: number, first: number, bytes: Buffer | undefined): number {
    this.#keep(node, first);
    if (bytes === undefined) {
      this.#sql.remove.run(node, first);
      return 0;
    }
    return this.#sql.write.get(node, first, bytes) ?? 0;
  }

  /** Removes every row from block `first` on. */
  removeFrom(node: number, first: number): void {
    this.#base.writing();
    if (node < this.#base.undoBelow) this.#sql.keepFrom.run(node, first);
    this.#sql.removeFrom.run(node, first);
  }

  /** Undefined when the place has no 40-bit locator. */
  locatorOf(row: number, index: number): number | undefined {
    return row === 0 || row > ROW_ID_MAX ? undefined : row * LOCATOR_PLACES + index;
  }

  /** True when a locator still leads to this digest: 32 bytes decide (R27). */
  holds(locator: number, digest: Uint8Array): boolean {
    const row = Math.floor(locator / LOCATOR_PLACES);
    const bytes = this.#newFiles.digestRow(row) ?? this.#sql.byId.get(row);
    if (bytes === undefined) return false;
    return digestInRow(bytes, locator % LOCATOR_PLACES)?.equals(digest) === true;
  }

  /**
   * Visits digests with their locators from the row after `afterRow` on, about `rowsMax` rows.
   * Returns the last row visited, undefined when there is none left.
   */
  visit(
    from: { readonly afterRow: number; readonly rowsMax: number },
    visit: (digest: Buffer, locator: number) => void,
  ): number | undefined {
    this.#base.reading();
    let last: number | undefined;
    for (const [id, bytes] of this.#sql.page.all(from.afterRow, from.rowsMax)) {
      last = id;
      eachDigest(bytes, (digest, index) => {
        const locator = this.locatorOf(id, index);
        if (locator !== undefined) visit(digest, locator);
      });
    }
    return last;
  }

  digestOf(node: number, block: number): Buffer | undefined {
    const index = block % ROW_BLOCKS;
    const bytes = this.read(node, block - index);
    const digest = bytes === undefined ? undefined : digestInRow(bytes, index);
    return digest === undefined ? undefined : Buffer.from(digest.subarray(0, DIGEST_BYTES));
  }

  /** True when a lost sync had hashed a file of this identity, size and times. */
  hasProvisional(file: Buffer): boolean {
    return this.#sql.hasProvisional.get(file) !== undefined;
  }

  /** Undefined: the row's blocks were all zero. */
  provisional(file: Buffer, first: number): Buffer | undefined {
    return this.#sql.provisional.get(file, first);
  }

  get anyProvisional(): boolean {
    return this.#sql.anyProvisional.get() !== undefined;
  }

  #keep(node: number, first: number): void {
    this.#base.writing();
    if (node >= this.#base.undoBelow) return;
    this.#sql.keep.run(node, first, node, first);
  }
}

function prepare(db: Database) {
  return {
    read: db
      .prepare<[number, number], Buffer>('SELECT bytes FROM digest WHERE node = ? AND first = ?')
      .pluck(),
    byId: db.prepare<[number], Buffer>('SELECT bytes FROM digest WHERE id = ?').pluck(),
    page: db
      .prepare<[number, number], [number, Buffer]>(
        // Without the fingerprints of pages, which come last.
        `SELECT id, substr(bytes, 1, ${1 + ROW_BLOCKS * DIGEST_BYTES}) FROM digest
         WHERE id > ? ORDER BY id LIMIT ?`,
      )
      .raw(),
    write: db
      .prepare<[number, number, Buffer], number>(
        `INSERT INTO digest (node, first, bytes) VALUES (?, ?, ?)
         ON CONFLICT (node, first) DO UPDATE SET bytes = excluded.bytes RETURNING id`,
      )
      .pluck(),
    remove: db.prepare('DELETE FROM digest WHERE node = ? AND first = ?'),
    removeFrom: db.prepare('DELETE FROM digest WHERE node = ? AND first >= ?'),
    keep: db.prepare(
      `INSERT OR IGNORE INTO undo_digest
       VALUES (?, ?, (SELECT bytes FROM digest WHERE node = ? AND first = ?))`,
    ),
    keepFrom: db.prepare(
      `INSERT OR IGNORE INTO undo_digest
       SELECT node, first, bytes FROM digest WHERE node = ? AND first >= ?`,
    ),
    hasProvisional: db
      .prepare<[Buffer], number>('SELECT 1 FROM provisional WHERE file = ? LIMIT 1')
      .pluck(),
    provisional: db
      .prepare<[Buffer, number], Buffer>(
        'SELECT bytes FROM provisional WHERE file = ? AND first = ?',
      )
      .pluck(),
    anyProvisional: db.prepare<[], number>('SELECT 1 FROM provisional LIMIT 1').pluck(),
  };
}
