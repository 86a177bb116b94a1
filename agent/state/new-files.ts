/**
 * Rows of files that are new to the set, written many in a statement: node, name and digests. Until
 * then they wait in memory; whoever looks into these tables, writes or commits has them written
 * first (StateDatabase). They come out as if they had been written one by one.
 */
import type { Database, Statement } from 'better-sqlite3';
import { invariant } from '../../shared/errors.js';
import type { FileCount } from './file-count.js';
import { type NodeRow, nodeValues } from './node-row.js';
import type { NodeTable } from './node-table.js';
import type { StateDatabase } from './state-database.js';

/** Files that wait at most. */
const FILES_MAX = 64;
/** Rows of a statement. */
const STEPS = [32, 8, 1] as const;

/** A file with one name, made by the sync in flight; it is taken before `add` returns. */
export interface NewFile {
  /** Not changed any more. */
  readonly row: NodeRow;
  readonly parent: number;
  /** Nothing has it in this folder. Not changed any more. */
  readonly name: Buffer;
  /** Of its only row, see block-row.ts; undefined when its content is empty or all zero. */
  readonly digests: Buffer | undefined;
}

export class NewFiles {
  readonly #base: StateDatabase;
  readonly #nodeTable: Pick<NodeTable, 'know'>;
  readonly #files: FileCount;
  readonly #newestDigest: Statement<[], number | null>;
  readonly #insert: readonly RowsInsert[];
  #nodes: unknown[] = [];
  #entries: unknown[] = [];
  #digests: unknown[] = [];
  /** The rows of `#digests` by their order. */
  #digestRows: Buffer[] = [];
  #firstDigest = 0;
  #count = 0;

  constructor(base: StateDatabase, nodes: Pick<NodeTable, 'know'>, files: FileCount) {
    this.#base = base;
    this.#nodeTable = nodes;
    this.#files = files;
    this.#newestDigest = base.db.prepare<[], number | null>('SELECT max(id) FROM digest').pluck();
    this.#insert = [
      new RowsInsert(base.db, 'node', 9),
      new RowsInsert(base.db, 'entry', 4),
      new RowsInsert(base.db, 'digest', 4),
    ];
  }

  /** Returns what `DigestTable.locatorOf` takes, 0 when there is no digest row. */
  add({ row, parent, name, digests }: NewFile): number {
    // Rows of older nodes would need an undo image.
    invariant(row.id >= this.#base.undoBelow, 'a new file was made by the sync in flight');
    if (this.#count === FILES_MAX) this.flush();
    if (this.#count === 0) {
      this.#firstDigest = (this.#newestDigest.get() ?? 0) + 1;
      this.#base.gathered = this;
    }
    this.#count += 1;
    this.#files.add(1);
    this.#nodeTable.know(row);
    this.#nodes.push(...nodeValues(row));
    this.#entries.push(parent, name, row.id, 0);
    if (digests === undefined) return 0;
    const id = this.#firstDigest + this.#digestRows.length;
    const own = Buffer.from(digests);
    this.#digestRows.push(own);
    this.#digests.push(id, row.id, 0, own);
    return id;
  }

  /** A digest row that waits. */
  digestRow(id: number): Buffer | undefined {
    return this.#digestRows[id - this.#firstDigest];
  }

  /** Writes what waits. A failure takes these rows with it: the sync is not to go on. */
  flush(): void {
    if (this.#count === 0) return;
    const parts = [this.#nodes, this.#entries, this.#digests];
    const rows = 2 * this.#count + this.#digestRows.length;
    this.#base.gathered = undefined;
    this.#count = 0;
    this.#nodes = [];
    this.#entries = [];
    this.#digests = [];
    this.#digestRows = [];
    this.#base.writing(rows);
    for (const [index, insert] of this.#insert.entries()) insert.run(parts[index] ?? []);
  }
}

/** Inserts rows of one table, given as one list of values. */
class RowsInsert {
  readonly #columns: number;
  readonly #steps: readonly { readonly rows: number; readonly statement: Statement }[];

  constructor(db: Database, table: string, columns: number) {
    this.#columns = columns;
    const row = `(${Array.from({ length: columns }, () => '?').join(', ')})`;
    this.#steps = STEPS.map((rows) => {
      const all = Array.from({ length: rows }, () => row).join(', ');
      return { rows, statement: db.prepare(`INSERT INTO ${table} VALUES ${all}`) };
    });
  }

  run(values: readonly unknown[]): void {
    let at = 0;
    for (const { rows, statement } of this.#steps) {
      const length = rows * this.#columns;
      for (; at + length <= values.length; at += length) {
        statement.run(values.slice(at, at + length));
      }
    }
  }
}
