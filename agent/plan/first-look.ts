/**
 * The first of two looks at a file: hashes it, or takes the hashes of a lost sync (R12), and finds
 * the rows that differ from the state. Where it is known which ranges may have changed, only rows
 * that these touch are looked at, and only their touched blocks read (R27).
 */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import { SpanCursor, touchedBlocks } from '../ranges/touched-blocks.js';
import { BlockRow, ROW_BLOCKS } from '../state/block-row.js';
import { BlockRun, type BlockReader } from './block-reader.js';
import { fillRow, putRun, type ContentParts, type ContentRequest } from './content-request.js';
import type { ReadAhead } from './read-ahead.js';
import { compareBlock } from './row-compare.js';

/** Digests that a question to the replica names at most: 128 KiB. */
const ASK_DIGESTS_MAX = 4_096;

/** A file under two looks: what both know of it. */
export interface FileProgress {
  /** Bytes of the file, as far as they were read. */
  size: number;
  /** False once it was seen to move. */
  steady: boolean;
}

/** Rows that changed, by first block, as the first look found them. */
export type ChangedRows = ReadonlyMap<number, Buffer | undefined>;

export class FirstLook {
  readonly #parts: ContentParts;
  readonly #request: ContentRequest;
  readonly #reader: BlockReader;
  readonly #ahead: ReadAhead;
  readonly #file: FileProgress;
  readonly #run = new BlockRun();
  readonly #before = new BlockRow();
  readonly #after = new BlockRow();
  /** Blocks that may differ from the state; undefined when any may. */
  readonly #touched: SpanCursor | undefined;
  /** Blocks of which more than some pages changed. */
  wholeBlocks = 0;
  /** Bytes of content that the index does not know. */
  unknownBytes = 0;
  #had = new Set<string>();

  constructor(
    parts: ContentParts,
    request: ContentRequest,
    of: {
      readonly reader: BlockReader;
      readonly ahead: ReadAhead;
      readonly file: FileProgress;
    },
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#reader = of.reader;
    this.#ahead = of.ahead;
    this.#file = of.file;
    const { before, ranges } = request;
    if (before !== undefined && ranges !== undefined) {
      const sizes = { oldSize: before.size, newSize: of.file.size };
      this.#touched = new SpanCursor(touchedBlocks(ranges, sizes));
    }
  }

  /** The replica said that it has a block of this digest. */
  had(digest: Buffer): boolean {
    return this.#had.has(digest.toString('latin1'));
  }

  /** Looks at blocks [first, until). */
  async look(first: number, until: number): Promise<ChangedRows> {
    const { state, pause } = this.#parts;
    const { node, before, provisional } = this.#request;
    const remembered = state.digests.hasProvisional(provisional);
    const rows = new Map<number, Buffer | undefined>();
    const asked: Buffer[] = [];
    this.#had = new Set();
    for (const row of this.#rows(first, until)) {
      const old = before === undefined ? undefined : state.digests.read(node, row);
      this.#before.load(old);
      if (remembered) this.#after.load(state.digests.provisional(provisional, row));
      else if (this.#touched === undefined) await this.#read(row);
      else this.#readTouched(this.#touched, row, old);
      if (this.#findChanges(row, remembered ? asked : undefined)) {
        rows.set(row, this.#after.encode());
      }
      const rest = pause.breathe();
      if (rest !== undefined) await rest;
    }
    await this.#ask(asked);
    return rows;
  }

  /** Rows of blocks [first, until) to look at. */
  *#rows(first: number, until: number): Generator<number> {
    for (let at = first; at < until && at * BLOCK_BYTES < this.#file.size; at += ROW_BLOCKS) {
      const next = this.#touched === undefined ? at : this.#touched.next(at, until);
      if (next === undefined) return;
      at = next - (next % ROW_BLOCKS);
      if (at * BLOCK_BYTES < this.#file.size) yield at;
    }
  }

  /** Into `#after`. */
  async #read(row: number): Promise<void> {
    const wanted = this.#wanted(row, ROW_BLOCKS);
    const reading = this.#ahead.read(this.#run, row, wanted);
    if (reading !== undefined) await reading;
    this.#took(row, wanted);
    fillRow(this.#after, this.#run);
  }

  /** Into `#after`: blocks that no range touches keep what the state says of them. */
  #readTouched(touched: SpanCursor, row: number, old: Buffer | undefined): void {
    this.#after.load(old);
    const mustRead = (index: number): boolean =>
      touched.has(row + index) || this.#before.state(index) === 'forgotten';
    const count = (): number => Math.min(ROW_BLOCKS, blockCount(this.#file.size) - row);
    for (let index = 0; index < count(); index += 1) {
      if (!mustRead(index)) continue;
      let end = index + 1;
      while (end < count() && mustRead(end)) end += 1;
      this.#readRun(row + index, end - index);
      putRun(this.#after, this.#run, index);
      index = end;
    }
    for (let past = Math.max(0, count()); past < ROW_BLOCKS; past += 1) this.#after.setZero(past);
  }

  /** Into `#run`; a file that ends early is as long as it was read. */
  #readRun(first: number, blocks: number): void {
    const wanted = this.#wanted(first, blocks);
    this.#reader.read(this.#run, first, wanted);
    this.#took(first, wanted);
  }

  #wanted(first: number, blocks: number): number {
    return Math.min(blocks * BLOCK_BYTES, this.#file.size - first * BLOCK_BYTES);
  }

  #took(first: number, wanted: number): void {
    if (this.#run.length === wanted) return;
    this.#file.size = first * BLOCK_BYTES + this.#run.length;
    this.#file.steady = false;
  }

  /** Counts, and collects into `asked`, what is unknown; true when anything changed. */
  #findChanges(row: number, asked: Buffer[] | undefined): boolean {
    const { size } = this.#file;
    const pair = {
      first: row,
      before: this.#before,
      after: this.#after,
      oldSize: this.#request.before?.size ?? 0,
      newSize: size,
    };
    let changed = false;
    for (let index = 0; index < Math.min(ROW_BLOCKS, blockCount(size) - row); index += 1) {
      const change = compareBlock(pair, index);
      if (change.type === 'same') continue;
      changed = true;
      if (change.type === 'content' && change.pages !== undefined) continue;
      this.wholeBlocks += 1;
      if (change.type === 'zero' || this.#parts.index.has(this.#after.digest(index))) continue;
      this.unknownBytes += BLOCK_BYTES;
      asked?.push(Buffer.from(this.#after.digest(index)));
    }
    return changed;
  }

  async #ask(digests: readonly Buffer[]): Promise<void> {
    const { session, blocks, index } = this.#parts;
    for (let at = 0; at < digests.length; at += ASK_DIGESTS_MAX) {
      if (blocks.silent || !session.live) return;
      const some = digests.slice(at, at + ASK_DIGESTS_MAX);
      // A question that fails is no failure of the sync: the blocks are read and sent.
      const answer = await session.has(Buffer.concat(some)).catch(() => undefined);
      for (const [place, digest] of some.entries()) {
        const has = answer?.[place] === 1 && !index.isDistrusted(digest);
        if (has) this.#had.add(digest.toString('latin1'));
      }
    }
  }
}
