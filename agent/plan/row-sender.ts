/**
 * The second of two looks at a file: says what the blocks of a changed row are. What must be sent is
 * read and hashed again; if it moved meanwhile, what was read now is what is said.
 */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import { BlockRow, ROW_BLOCKS } from '../state/block-row.js';
import { BlockRun, type BlockReader } from './block-reader.js';
import type { ContentEmitter } from './content-emitter.js';
import type { ContentParts, ContentRequest } from './content-request.js';
import type { FileProgress } from './first-look.js';
import { compareBlock, type BlockChange } from './row-compare.js';
import type { SpliceMatcher } from './splice-matcher.js';

export interface SendOptions {
  /** Every block is mentioned: the body is written anew by this very look. */
  readonly mentionsAll: boolean;
  readonly matcher: SpliceMatcher | undefined;
  /** The replica said that it has a block of this digest. */
  readonly had: (digest: Buffer) => boolean;
}

/** The row under way. */
interface Row {
  readonly first: number;
  readonly count: number;
  /** For locators. */
  readonly id: number;
  readonly changes: readonly BlockChange[];
  readonly known: readonly boolean[];
  readonly options: SendOptions;
}

export class RowSender {
  readonly #parts: ContentParts;
  readonly #request: ContentRequest;
  readonly #reader: BlockReader;
  readonly #emitter: ContentEmitter;
  readonly #file: FileProgress;
  readonly #run = new BlockRun();
  readonly #before = new BlockRow();
  readonly #after = new BlockRow();

  constructor(
    parts: ContentParts,
    request: ContentRequest,
    of: {
      readonly reader: BlockReader;
      readonly emitter: ContentEmitter;
      readonly file: FileProgress;
    },
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#reader = of.reader;
    this.#emitter = of.emitter;
    this.#file = of.file;
  }

  /** `found`: the row as the first look found it. */
  async send(first: number, found: Buffer | undefined, options: SendOptions): Promise<void> {
    const { digests } = this.#parts.state;
    const { node } = this.#request;
    const row = this.#open(first, found, options);
    let moved = false;
    for (let index = 0; index < row.count && (first + index) * BLOCK_BYTES < this.#file.size;) {
      if (needsBytes(row, index)) {
        const end = endOfRun(row, index);
        if (await this.#sendRead(row, index, end)) moved = true;
        index = end;
      } else {
        await this.#sayUnread(row, index);
        index += 1;
      }
    }
    if (!moved) return;
    for (let past = Math.max(0, blockCount(this.#file.size) - first); past < row.count; past += 1) {
      this.#after.setZero(past);
    }
    digests.write(node, first, this.#after.encode());
  }

  #open(first: number, found: Buffer | undefined, options: SendOptions): Row {
    const { state } = this.#parts;
    const { node, before } = this.#request;
    this.#before.load(before === undefined ? undefined : state.digests.read(node, first));
    this.#after.load(found);
    const pair = {
      first,
      before: this.#before,
      after: this.#after,
      oldSize: before?.size ?? 0,
      newSize: this.#file.size,
    };
    const count = Math.min(ROW_BLOCKS, blockCount(this.#file.size) - first);
    const changes = Array.from({ length: count }, (_, index) => compareBlock(pair, index));
    // Asked before the row is written, or the row itself would answer.
    const known = changes.map((change, index) => this.#isKnown(change, index, options));
    const id = state.digests.write(node, first, found);
    return { first, count, id, changes, known, options };
  }

  #isKnown(change: BlockChange, index: number, { had }: SendOptions): boolean {
    if (change.type !== 'content') return false;
    const digest = this.#after.digest(index);
    return this.#parts.index.has(digest) || (change.pages === undefined && had(digest));
  }

  /** A block that needs no bytes: zero, unchanged, or one that the replica has. */
  async #sayUnread(row: Row, index: number): Promise<void> {
    const { blocks, state } = this.#parts;
    const { node } = this.#request;
    const block = row.first + index;
    const change = row.changes[index];
    let wait: Promise<void> | undefined;
    if (change?.type === 'zero') wait = this.#emitter.run('zero', block);
    else if (change?.type === 'content') {
      const length = Math.min(BLOCK_BYTES, this.#file.size - block * BLOCK_BYTES);
      const digest = Buffer.from(this.#after.digest(index));
      const locator = state.digests.locatorOf(row.id, index);
      wait = blocks.copy({ node, block, digest, locator }, length);
    } else if (row.options.mentionsAll) wait = this.#emitter.run('same', block);
    if (wait !== undefined) await wait;
  }

  /** Reads, names and sends blocks [index, end); true when they moved since the first look. */
  async #sendRead(row: Row, index: number, end: number): Promise<boolean> {
    const start = (row.first + index) * BLOCK_BYTES;
    const wanted = Math.min((end - index) * BLOCK_BYTES, this.#file.size - start);
    this.#reader.read(this.#run, row.first + index, wanted);
    let moved = this.#run.length < wanted;
    if (moved) this.#file.size = start + this.#run.length;
    for (let place = 0; place < blockCount(this.#run.length); place += 1) {
      const still = this.#takeRead(index + place, place);
      if (!still) moved = true;
      await this.#sayRead(row, { index: index + place, place, still });
    }
    if (moved) this.#file.steady = false;
    return moved;
  }

  /** Puts what was read into the row; true when it is what the first look found. */
  #takeRead(index: number, place: number): boolean {
    if (this.#run.isZero(place)) {
      const still = this.#after.state(index) === 'zero';
      this.#after.setZero(index);
      return still;
    }
    const { digests, fingerprints } = this.#run;
    return !this.#after.set(index, { digests, fingerprints, from: place });
  }

  /** `still`: what the first look found; else the pages and stretches it found do not count. */
  async #sayRead(row: Row, at: { index: number; place: number; still: boolean }): Promise<void> {
    const { index, place, still } = at;
    const { matcher, mentionsAll } = row.options;
    const block = row.first + index;
    if (this.#run.isZero(place)) return await this.#emitter.run('zero', block);
    const bytes = this.#run.block(place);
    const digest = Buffer.from(this.#run.digest(place));
    const locator = this.#parts.state.digests.locatorOf(row.id, index);
    const change = row.changes[index];
    const pages = still && change?.type === 'content' ? change.pages : undefined;
    const said = { block, digest, bytes, locator };
    if (pages !== undefined) {
      // Pages lie on top of what this sync says of a block of a new body.
      if (mentionsAll) await this.#emitter.run('same', block);
      return await this.#emitter.block({ ...said, known: false, pages });
    }
    const segments = still ? matcher?.segments(block, bytes) : undefined;
    if (matcher === undefined || segments === undefined) {
      return await this.#emitter.block({ ...said, known: false, pages: undefined });
    }
    await this.#emitter.splice({ ...said, source: matcher.source, segments });
  }
}

function needsBytes(row: Row, index: number): boolean {
  return row.changes[index]?.type === 'content' && row.known[index] !== true;
}

/** End of the run of blocks to read that starts at `index`. */
function endOfRun(row: Row, index: number): number {
  let end = index;
  while (end < row.count && needsBytes(row, end)) end += 1;
  return end;
}
