/**
 * Which digests the replica has, as far as the agent knows: those of the state it committed and
 * those sent in the sync in flight. The table's hits are hints; the state's row decides (R27).
 */
import { createDedupTable, type BulkDedupTable } from '../../shared/hash/dedup-table.js';
import { DIGEST_BYTES } from '../../shared/limits.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { AgentState } from '../state.js';
import { ROW_BLOCKS } from '../state/block-row.js';

const ROWS_A_PAGE = 100;
/** Digests that the table takes at once: what a page of rows holds. */
const GATHERED_MAX = ROWS_A_PAGE * ROW_BLOCKS;

export class DedupIndex {
  readonly #state: AgentState;
  readonly #table: BulkDedupTable;
  /** Digests that the replica said it lacks although it was thought to have them. */
  readonly #distrusted = new Set<string>();

  constructor(state: AgentState, options: { readonly memoryBytesMax: number }) {
    this.#state = state;
    this.#table = createDedupTable(options);
  }

  get size(): number {
    return this.#table.size;
  }

  /** Takes in the digests of the committed state. */
  async fill(slice: TimeSlice): Promise<void> {
    const digests = Buffer.allocUnsafe(GATHERED_MAX * DIGEST_BYTES);
    const locators = new Float64Array(GATHERED_MAX);
    let afterRow: number | undefined = 0;
    while (afterRow !== undefined) {
      let count = 0;
      afterRow = this.#state.digests.visit(
        { afterRow, rowsMax: ROWS_A_PAGE },
        (digest, locator) => {
          digests.set(digest, count * DIGEST_BYTES);
          locators[count++] = locator;
        },
      );
      this.#table.setMany(digests.subarray(0, count * DIGEST_BYTES), locators.subarray(0, count));
      const rest = slice.breathe();
      if (rest !== undefined) await rest;
    }
  }

  /** True when the replica has the block. To be asked before the row of the asking block is written. */
  has(digest: Uint8Array): boolean {
    const locator = this.#table.get(digest);
    if (locator === undefined) return false;
    if (this.#state.digests.holds(locator, digest)) return !this.isDistrusted(digest);
    this.#table.delete(digest);
    return false;
  }

  /** A block of this digest was sent, or the replica said that it has it. */
  add(digest: Uint8Array, locator: number | undefined): void {
    if (locator !== undefined) this.#table.set(digest, locator);
  }

  /** True when neither the table nor the replica's `has` is to be believed for this digest. */
  isDistrusted(digest: Uint8Array): boolean {
    return this.#distrusted.size > 0 && this.#distrusted.has(keyOf(digest));
  }

  distrust(digest: Uint8Array): void {
    this.#distrusted.add(keyOf(digest));
  }

  /** The next committed sync clears all doubts. */
  trustAll(): void {
    this.#distrusted.clear();
  }
}

function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('base64');
}
