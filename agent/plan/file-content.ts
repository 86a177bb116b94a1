/**
 * Reads a file and says what its blocks are now. Small and new files are read once; larger files
 * the replica has already are hashed first, so that what is said of them follows from how much
 * changed (see rewrite.ts), or, where it is known which ranges may have changed, read only there.
 */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import { BlockRow, ROW_BLOCKS } from '../state/block-row.js';
import type { NodeRow } from '../state/node-row.js';
import { BlockReader, BlockRun } from './block-reader.js';
import { ContentEmitter } from './content-emitter.js';
import {
  dataRanges,
  fillRow,
  ROW_BYTES,
  stayed,
  type ContentOutcome,
  type ContentParts,
  type ContentRequest,
  type FileBody,
} from './content-request.js';
import { mappedInodes } from './mapped-files.js';
import { ReadAhead } from './read-ahead.js';
import { Rewrite } from './rewrite.js';
import { compareBlock, type BlockChange } from './row-compare.js';
import { SPLICE_BYTES_MAX, SPLICE_BYTES_MIN } from './splice-matcher.js';

export class ContentPlanner {
  readonly #parts: ContentParts;
  readonly #run = new BlockRun();
  readonly #before = new BlockRow();
  readonly #after = new BlockRow();
  /** Inodes that somebody has mapped while held. */
  #mapped: ReadonlySet<string> | 'unknown' | undefined;

  constructor(parts: ContentParts) {
    this.#parts = parts;
  }

  async plan(request: ContentRequest): Promise<ContentOutcome> {
    const { before, status } = request;
    if (before !== undefined && this.bodyOf(before) !== undefined) {
      // Blocks of this file may still wait for an answer: what is said now must come after them.
      await this.#parts.blocks.drain();
    }
    // Between the status that counts and the first read.
    const blind = this.#isBlind(request);
    const outcome = this.#wantsTwoLooks(request)
      ? await new Rewrite(this.#parts, request, this.bodyOf(before)).run()
      : await this.#readOnce(request, status.size);
    return blind ? { ...outcome, steady: false } : outcome;
  }

  /**
   * A store through a mapping comes before what is written back here, and is read, or it moves ctime.
   * True where it would not: the file is to be read again at every look. While the application is
   * held, what it wrote is not waited for unless it is mapped.
   */
  #isBlind({ fd, status }: ContentRequest): boolean {
    const { blocks, posix } = this.#parts;
    if (blocks.silent) this.#mapped ??= mappedInodes() ?? 'unknown';
    else this.#mapped = undefined;
    const flushes = !(this.#mapped instanceof Set) || this.#mapped.has(String(status.ino));
    return flushes && posix.flushWriters(fd) === 'blind';
  }

  /** The body word that this sync said of a node already. */
  bodyOf(before: NodeRow | undefined): FileBody | undefined {
    if (before === undefined) return undefined;
    if (this.#parts.state.isMade(before.id)) return 'new';
    const sync = this.#parts.state.flight?.sync;
    if (sync === undefined || Math.abs(before.fresh) !== sync) return undefined;
    return before.fresh > 0 ? 'new' : 'keep';
  }

  #wantsTwoLooks(request: ContentRequest): boolean {
    const { before, replaced, status, provisional } = request;
    const { size } = status;
    if (before !== undefined && size > ROW_BYTES) return true;
    if (size > ROW_BYTES && this.#parts.state.digests.hasProvisional(provisional)) return true;
    const old = before ?? replaced;
    return (
      old !== undefined &&
      old.size !== size &&
      Math.min(old.size, size) >= SPLICE_BYTES_MIN &&
      Math.max(old.size, size) <= SPLICE_BYTES_MAX
    );
  }

  async #readOnce(request: ContentRequest, sizeAtOpen: number): Promise<ContentOutcome> {
    const { fd, status } = request;
    const { posix, core } = this.#parts;
    const reader = new BlockReader(core, fd, dataRanges(posix, fd, status));
    const ahead = new ReadAhead(this.#parts.work, reader, { fd, size: sizeAtOpen });
    try {
      return await this.#readRows(request, { size: sizeAtOpen, ahead, reader });
    } finally {
      const wait = ahead.close();
      if (wait !== undefined) await wait;
    }
  }

  async #readRows(
    request: ContentRequest,
    read: { readonly size: number; readonly ahead: ReadAhead; readonly reader: BlockReader },
  ): Promise<ContentOutcome> {
    const { node, before } = request;
    const { state, posix, pause } = this.#parts;
    const { size: sizeAtOpen, reader } = read;
    const emitter = new ContentEmitter(node, this.#parts);
    const body = this.bodyOf(before) ?? (before === undefined ? 'new' : 'keep');
    const once = sizeAtOpen <= ROW_BYTES;
    let size = sizeAtOpen;
    let changed = before === undefined || before.size !== size;
    let steady = true;
    let announced = false;
    for (let first = 0; first * BLOCK_BYTES < size; first += ROW_BLOCKS) {
      const wanted = Math.min(ROW_BYTES, size - first * BLOCK_BYTES);
      const reading = read.ahead.read(this.#run, first, wanted);
      if (reading !== undefined) await reading;
      if (this.#run.length < wanted) size = first * BLOCK_BYTES + this.#run.length;
      if (once) steady = size === sizeAtOpen && stayed(request, posix);
      const row = this.#compareRow({ node, first, before, size });
      if (!announced && (before === undefined || row.changed)) {
        announced = true;
        const wait = request.announce({ body, size, steady: once && steady });
        if (wait !== undefined) await wait;
      }
      if (row.changed) {
        changed = true;
        await this.#emitRow(emitter, { node, first, changes: row.changes });
      }
      const rest = pause.breathe();
      if (rest !== undefined) await rest;
    }
    if (before === undefined && !announced) {
      await request.announce({ body, size, steady: true });
    }
    const wait = emitter.flush();
    if (wait !== undefined) await wait;
    if (before !== undefined && before.size > size) {
      state.digests.removeFrom(node, Math.ceil(blockCount(size) / ROW_BLOCKS) * ROW_BLOCKS);
    }
    if (!once) steady = size === sizeAtOpen && stayed(request, posix);
    return { size, body, changed, steady, bytesRead: reader.bytesRead };
  }

  /** Fills `#after` from the run just read. */
  #compareRow(at: { node: number; first: number; before: NodeRow | undefined; size: number }): {
    changed: boolean;
    changes: readonly BlockChange[];
  } {
    const { node, first, before, size } = at;
    const oldBytes = before === undefined ? undefined : this.#parts.state.digests.read(node, first);
    this.#before.load(oldBytes);
    fillRow(this.#after, this.#run);
    const pair = { first, before: this.#before, after: this.#after, newSize: size };
    const changes: BlockChange[] = [];
    let changed = false;
    for (let index = 0; index < blockCount(this.#run.length); index += 1) {
      const change = compareBlock({ ...pair, oldSize: before?.size ?? 0 }, index);
      changes.push(change);
      if (change.type !== 'same') changed = true;
    }
    return { changed, changes };
  }

  async #emitRow(
    emitter: ContentEmitter,
    row: { node: number; first: number; changes: readonly BlockChange[] },
  ): Promise<void> {
    const { digests } = this.#parts.state;
    const { node, first, changes } = row;
    const run = this.#run;
    const known = changes.map(
      (change, index) => change.type === 'content' && this.#parts.index.has(run.digest(index)),
    );
    const id = digests.write(node, first, this.#after.encode());
    for (const [index, change] of changes.entries()) {
      if (change.type === 'same') continue;
      const wait =
        change.type === 'zero'
          ? emitter.run('zero', first + index)
          : emitter.block({
              block: first + index,
              digest: run.digest(index),
              bytes: run.block(index),
              known: known[index] === true,
              locator: digests.locatorOf(id, index),
              pages: change.pages,
            });
      if (wait !== undefined) await wait;
    }
  }
}
