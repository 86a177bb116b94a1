/**
 * Rows of a frame on their way into the intent, many in a statement. Whoever reads a table of these,
 * or takes rows from it, flushes first; between frames nothing is kept back.
 */
import type { IndexDb } from '../index/index-db.js';
import { ManyRows } from '../index/many-rows.js';

export class StagedRows {
  readonly node: ManyRows;
  readonly entry: ManyRows;
  readonly block: ManyRows;

  constructor(intent: IndexDb) {
    this.node = new ManyRows(intent, {
      head: `INSERT OR REPLACE INTO node
        (id, fresh, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target, xattrs, body_word)`,
      columns: 13,
    });
    this.entry = new ManyRows(intent, {
      head: 'INSERT OR REPLACE INTO entry (parent, name, node)',
      columns: 3,
    });
    this.block = new ManyRows(intent, {
      head: `INSERT OR REPLACE INTO block
        (node, block, digest, prefix, bytes, mask, offset, length)`,
      columns: 8,
    });
  }

  flush(): void {
    for (const rows of [this.node, this.entry, this.block]) rows.flush();
  }

  /** Forgets rows of a frame that failed: it comes again, or its sync is dropped. */
  clear(): void {
    for (const rows of [this.node, this.entry, this.block]) rows.clear();
  }
}
