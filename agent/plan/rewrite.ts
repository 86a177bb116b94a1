/**
 * A file that is looked at twice: hashed first, so that what is said of it follows from how much of
 * it changed, then what is sent is read and hashed again. Memory is bounded: files of more than a
 * span (4 GiB) are taken span by span.
 *
 * Chosen after the first look: `keep` or a body written anew (R1), and whether the old version is
 * worth matching at other offsets. A file that a lost sync had hashed already (R12) skips the first
 * look, and the replica is asked which blocks it still has.
 */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import { BlockRow, ROW_BLOCKS } from '../state/block-row.js';
import { BlockReader, BlockRun } from './block-reader.js';
import { ContentEmitter } from './content-emitter.js';
import {
  dataRanges,
  fillRow,
  ROW_BYTES,
  sameMoment,
  type ContentOutcome,
  type ContentParts,
  type ContentRequest,
  type FileBody,
} from './content-request.js';
import { compareBlock, type BlockChange } from './row-compare.js';
import { SPLICE_BYTES_MAX, SPLICE_BYTES_MIN, SpliceMatcher } from './splice-matcher.js';

/** Rows held between the two looks: at most 10 MiB of memory. */
const SPAN_ROWS = 4_096;
/** A body is written anew when it has at least this many bytes and most of its blocks changed. */
const ANEW_BYTES_MIN = 1024 * 1024;
/** Content the index does not know, above which the old version is worth matching. */
const MATCH_BYTES_MIN = BLOCK_BYTES;
/** Digests a question to the replica names at most: 128 KiB. */
const ASK_DIGESTS_MAX = 4_096;

/** A row that changed: as found by the first look. */
type ChangedRows = Map<number, Buffer | undefined>;

export class Rewrite {
  readonly #parts: ContentParts;
  readonly #request: ContentRequest;
  readonly #said: FileBody | undefined;
  readonly #reader: BlockReader;
  readonly #emitter: ContentEmitter;
  readonly #run = new BlockRun();
  readonly #before = new BlockRow();
  readonly #after = new BlockRow();
  #body: FileBody | undefined;
  #size: number;
  #steady = true;
  #announced = false;
  /** Blocks of which more than some pages changed. */
  #wholeBlocks = 0;
  #unknownBytes = 0;
  #matcher: SpliceMatcher | undefined;
  /** Digests that the replica said it has, of the span at hand. */
  #had = new Set<string>();

  /** `said`: the body word this sync said of the node already. */
  constructor(parts: ContentParts, request: ContentRequest, said: FileBody | undefined) {
    this.#parts = parts;
    this.#request = request;
    this.#said = said;
    this.#body = said ?? (request.before === undefined ? 'new' : undefined);
    this.#size = request.status.size;
    const ranges = dataRanges(parts.posix, request.fd, request.status);
    this.#reader = new BlockReader(parts.core, request.fd, ranges);
    this.#emitter = new ContentEmitter(request.node, parts);
  }

  async run(): Promise<ContentOutcome> {
    const { before, node, status, fd } = this.#request;
    let changed = before === undefined || before.size !== this.#size;
    const span = SPAN_ROWS * ROW_BLOCKS;
    for (let first = 0; first * BLOCK_BYTES < this.#size; first += span) {
      const rows = await this.#look(first, first + span);
      if (rows.size > 0) changed = true;
      await this.#decide(first);
      await this.#send(rows, first, first + span);
    }
    const wait = this.#emitter.flush();
    if (wait !== undefined) await wait;
    const end = Math.ceil(blockCount(this.#size) / ROW_BLOCKS) * ROW_BLOCKS;
    if (before !== undefined && before.size > end * BLOCK_BYTES) {
      this.#parts.state.digests.removeFrom(node, end);
    }
    const steady = this.#steady && sameMoment(status, this.#parts.posix.fstat(fd));
    return {
      size: this.#size,
      body: this.#body ?? 'keep',
      changed,
      steady,
      bytesRead: this.#reader.bytesRead,
    };
  }

  /** Hashes blocks [first, until) and returns the rows that differ from the state. */
  async #look(first: number, until: number): Promise<ChangedRows> {
    const { state, pause } = this.#parts;
    const { node, before, provisional } = this.#request;
    const remembered = state.digests.hasProvisional(provisional);
    const rows: ChangedRows = new Map();
    const asked: Buffer[] = [];
    this.#had = new Set();
    for (let row = first; row < until && row * BLOCK_BYTES < this.#size; row += ROW_BLOCKS) {
      const oldBytes = before === undefined ? undefined : state.digests.read(node, row);
      this.#before.load(oldBytes);
      if (remembered) this.#after.load(state.digests.provisional(provisional, row));
      else this.#readRow(row);
      if (this.#countChanges(row, remembered ? asked : undefined)) {
        rows.set(row, this.#after.encode());
      }
      const rest = pause.breathe();
      if (rest !== undefined) await rest;
    }
    await this.#ask(asked);
    return rows;
  }

  /** Into `#after`. */
  #readRow(row: number): void {
    const wanted = Math.min(ROW_BYTES, this.#size - row * BLOCK_BYTES);
    this.#reader.read(this.#run, row, wanted);
    if (this.#run.length < wanted) {
      this.#size = row * BLOCK_BYTES + this.#run.length;
      this.#steady = false;
    }
    fillRow(this.#after, this.#run, 0);
  }

  #compare(row: number, index: number): BlockChange {
    return compareBlock(
      {
        first: row,
        before: this.#before,
        after: this.#after,
        oldSize: this.#request.before?.size ?? 0,
        newSize: this.#size,
      },
      index,
    );
  }

  /** Counts and collects into `asked` what is unknown; true when anything changed. */
  #countChanges(row: number, asked: Buffer[] | undefined): boolean {
    let changed = false;
    for (let index = 0; index < this.#blocksOf(row); index += 1) {
      const change = this.#compare(row, index);
      if (change.type === 'same') continue;
      changed = true;
      if (change.type === 'content' && change.pages !== undefined) continue;
      this.#wholeBlocks += 1;
      if (change.type === 'zero') continue;
      if (this.#parts.index.has(this.#after.digest(index))) continue;
      this.#unknownBytes += BLOCK_BYTES;
      asked?.push(Buffer.from(this.#after.digest(index)));
    }
    return changed;
  }

  #blocksOf(row: number): number {
    return Math.min(ROW_BLOCKS, blockCount(this.#size) - row);
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

  /** After the look at the first span: the body word, and whether to match the old version. */
  async #decide(first: number): Promise<void> {
    if (first > 0) return;
    const { status, before, replaced } = this.#request;
    const most = this.#wholeBlocks > blockCount(Math.min(this.#size, SPAN_ROWS * ROW_BYTES)) / 2;
    const anew = most && this.#size >= ANEW_BYTES_MIN && status.nlink === 1;
    this.#body ??= anew ? 'new' : 'keep';
    const old = before ?? replaced;
    if (old === undefined || this.#said !== undefined) return;
    const shifted = before === undefined || (most && old.size !== this.#size);
    if (!shifted || this.#unknownBytes <= MATCH_BYTES_MIN) return;
    await this.#match(old);
  }

  async #match(old: { readonly id: number; readonly size: number }): Promise<void> {
    const { session, core, blocks, state } = this.#parts;
    const fits =
      Math.min(old.size, this.#size) >= SPLICE_BYTES_MIN &&
      Math.max(old.size, this.#size) <= SPLICE_BYTES_MAX;
    if (!fits || blocks.silent || !session.live || state.isMade(old.id)) return;
    const source = { node: old.id, size: old.size };
    const { fd } = this.#request;
    try {
      this.#matcher = await SpliceMatcher.build({ session, core, source, fd, size: this.#size });
    } catch {
      // Matching only saves bytes: a replica that cannot be asked gets the blocks.
      this.#matcher = undefined;
    }
  }

  async #send(rows: ChangedRows, first: number, until: number): Promise<void> {
    const { pause } = this.#parts;
    // A body written anew must mention every block, once.
    const mentionsAll = this.#body === 'new' && this.#said === undefined;
    if (rows.size > 0 || mentionsAll) await this.#announce();
    for (let row = first; row < until && row * BLOCK_BYTES < this.#size; row += ROW_BLOCKS) {
      if (rows.has(row)) await this.#sendRow(row, rows.get(row), mentionsAll);
      else if (mentionsAll) {
        const wait = this.#emitter.run('same', row, this.#blocksOf(row));
        if (wait !== undefined) await wait;
      }
      const rest = pause.breathe();
      if (rest !== undefined) await rest;
    }
  }

  async #announce(): Promise<void> {
    if (this.#announced) return;
    this.#announced = true;
    const body = this.#body ?? 'keep';
    await this.#request.announce({ body, size: this.#size, steady: false });
  }

  async #sendRow(row: number, found: Buffer | undefined, mentionsAll: boolean): Promise<void> {
    const { state, index: dedup } = this.#parts;
    const { node, before } = this.#request;
    this.#before.load(before === undefined ? undefined : state.digests.read(node, row));
    this.#after.load(found);
    const count = this.#blocksOf(row);
    const changes: BlockChange[] = [];
    const known: boolean[] = [];
    for (let index = 0; index < count; index += 1) {
      const change = this.#compare(row, index);
      changes.push(change);
      known.push(change.type === 'content' && this.#isKnown(change, index, dedup));
    }
    const id = state.digests.write(node, row, found);
    let index = 0;
    let rewritten = false;
    while (index < count) {
      const change = changes[index];
      if (change?.type !== 'content' || known[index] === true) {
        await this.#sayUnread({ row, index, id, change, mentionsAll });
        index += 1;
        continue;
      }
      const end = lastUnknown(changes, known, index);
      if (await this.#sendRead({ row, index, end, id, changes, mentionsAll })) rewritten = true;
      index = end;
      if ((row + index) * BLOCK_BYTES > this.#size) break;
    }
    if (!rewritten) return;
    for (let past = this.#blocksOf(row); past < count; past += 1) {
      if (past >= 0) this.#after.setZero(past);
    }
    state.digests.write(node, row, this.#after.encode());
  }

  #isKnown(
    change: BlockChange & { type: 'content' },
    index: number,
    dedup: ContentParts['index'],
  ): boolean {
    const digest = this.#after.digest(index);
    if (dedup.has(digest)) return true;
    return change.pages === undefined && this.#had.has(digest.toString('latin1'));
  }

  /** A block that needs no bytes: zero, unchanged, or one that the replica has. */
  async #sayUnread(at: {
    row: number;
    index: number;
    id: number;
    change: BlockChange | undefined;
    mentionsAll: boolean;
  }): Promise<void> {
    const { row, index, id, change, mentionsAll } = at;
    const block = row + index;
    let wait: Promise<void> | undefined;
    if (change?.type === 'zero') wait = this.#emitter.run('zero', block);
    else if (change?.type === 'content') {
      const length = Math.min(BLOCK_BYTES, this.#size - block * BLOCK_BYTES);
      const digest = Buffer.from(this.#after.digest(index));
      const locator = this.#parts.state.digests.locatorOf(id, index);
      wait = this.#parts.blocks.copy({ node: this.#request.node, block, digest, locator }, length);
    } else if (mentionsAll) wait = this.#emitter.run('same', block);
    if (wait !== undefined) await wait;
  }

  /** Reads, names and sends blocks [index, end) of a row; true when they moved since the first look. */
  async #sendRead(at: {
    row: number;
    index: number;
    end: number;
    id: number;
    changes: readonly BlockChange[];
    mentionsAll: boolean;
  }): Promise<boolean> {
    const { row, index, end, id, changes, mentionsAll } = at;
    const start = (row + index) * BLOCK_BYTES;
    const wanted = Math.min((end - index) * BLOCK_BYTES, this.#size - start);
    this.#reader.read(this.#run, row + index, wanted);
    let moved = this.#run.length < wanted;
    if (moved) this.#size = start + this.#run.length;
    const read = blockCount(this.#run.length);
    for (let place = 0; place < end - index; place += 1) {
      if (place >= read) {
        this.#after.setZero(index + place);
        continue;
      }
      const change = changes[index + place];
      const pages = change?.type === 'content' ? change.pages : undefined;
      const still = this.#takeRead(index + place, place);
      if (!still) moved = true;
      const block = row + index + place;
      if (mentionsAll && still && pages !== undefined) {
        // Pages lie on top of what this sync says of a block of a new body.
        await this.#emitter.run('same', block);
        await this.#emitter.flush();
      }
      await this.#sayRead({ block, place, id, still, pages });
    }
    if (moved) this.#steady = false;
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

  async #sayRead(at: {
    block: number;
    place: number;
    id: number;
    /** What the first look found; else what was found of pages and stretches does not count. */
    still: boolean;
    pages: number | undefined;
  }): Promise<void> {
    const { block, place, id, still } = at;
    const pages = still ? at.pages : undefined;
    const { state, outlet, index } = this.#parts;
    const { node } = this.#request;
    const bytes = this.#run.block(place);
    if (this.#run.isZero(place)) return await this.#emitter.run('zero', block);
    const digest = Buffer.from(this.#run.digest(place));
    const locator = state.digests.locatorOf(id, block % ROW_BLOCKS);
    const segments =
      pages === undefined && still ? this.#matcher?.segments(block, bytes) : undefined;
    if (segments === undefined || this.#matcher === undefined) {
      const known = false;
      return await this.#emitter.block({ block, digest, bytes, known, locator, pages });
    }
    const wait = this.#emitter.flush();
    if (wait !== undefined) await wait;
    index.add(digest, locator);
    const { source } = this.#matcher;
    await outlet.put({
      type: 'splice',
      node,
      block,
      digest,
      length: bytes.length,
      source,
      segments,
    });
  }
}

/** End of the run of unknown content that starts at `index`. */
function lastUnknown(
  changes: readonly BlockChange[],
  known: readonly boolean[],
  index: number,
): number {
  let end = index;
  while (end < changes.length && changes[end]?.type === 'content' && known[end] !== true) end += 1;
  return end;
}
