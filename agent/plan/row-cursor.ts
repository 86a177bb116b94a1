/** Merges the rows of a folder with a scan of it (R24). */
import type { NamedNode } from '../state/node-table.js';

/** The rows of a folder beside the entries of its scan, both in the order of names. */
export class RowCursor {
  readonly #rows: readonly NamedNode[];
  #at = 0;

  constructor(rows: readonly NamedNode[]) {
    this.#rows = rows;
  }

  /** Rows whose name comes before `name`, each once. */
  *before(name: Buffer): Generator<NamedNode> {
    for (let row = this.#rows[this.#at]; row !== undefined; row = this.#rows[this.#at]) {
      if (row.name.compare(name) >= 0) return;
      this.#at += 1;
      yield row;
    }
  }

  at(name: Buffer): NamedNode | undefined {
    const row = this.#rows[this.#at];
    if (row?.name.equals(name) !== true) return undefined;
    this.#at += 1;
    return row;
  }

  rest(): readonly NamedNode[] {
    const rest = this.#rows.slice(this.#at);
    this.#at = this.#rows.length;
    return rest;
  }
}
