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
import { ROW_BLOCKS } from '../state/block-row.js';
import { BlockReader } from './block-reader.js';
import { ContentEmitter } from './content-emitter.js';
import {
  dataRanges,
  ROW_BYTES,
  stayed,
  type ContentOutcome,
  type ContentParts,
  type ContentRequest,
  type FileBody,
} from './content-request.js';
import { ReadAhead } from './read-ahead.js';
import { FirstLook, type ChangedRows, type FileProgress } from './first-look.js';
import { RowSender } from './row-sender.js';
import { SPLICE_BYTES_MAX, SPLICE_BYTES_MIN, SpliceMatcher } from './splice-matcher.js';

/** Rows held between the two looks: at most 10 MiB of memory. */
const SPAN_ROWS = 4_096;
/** A body is written anew when it has at least this many bytes and most of its blocks changed. */
const ANEW_BYTES_MIN = 1024 * 1024;
/** Content the index does not know, above which the old version is worth matching. */
const MATCH_BYTES_MIN = BLOCK_BYTES;

export class Rewrite {
  readonly #parts: ContentParts;
  readonly #request: ContentRequest;
  readonly #said: FileBody | undefined;
  readonly #file: FileProgress;
  readonly #reader: BlockReader;
  readonly #ahead: ReadAhead;
  readonly #emitter: ContentEmitter;
  readonly #look: FirstLook;
  readonly #sender: RowSender;
  #body: FileBody | undefined;
  #matcher: SpliceMatcher | undefined;
  #announced = false;

  /** `said`: the body word this sync said of the node already. */
  constructor(parts: ContentParts, request: ContentRequest, said: FileBody | undefined) {
    this.#parts = parts;
    this.#request = request;
    this.#said = said;
    this.#body = said ?? (request.before === undefined ? 'new' : undefined);
    this.#file = { size: request.status.size, steady: true };
    const ranges = dataRanges(parts.posix, request.fd, request.status);
    const reader = new BlockReader(parts.core, request.fd, ranges);
    const emitter = new ContentEmitter(request.node, parts);
    const ahead = new ReadAhead(parts.work, reader, { fd: request.fd, size: request.status.size });
    const file = this.#file;
    this.#reader = reader;
    this.#ahead = ahead;
    this.#emitter = emitter;
    this.#look = new FirstLook(parts, request, { reader, ahead, file });
    this.#sender = new RowSender(parts, request, { reader, emitter, file });
  }

  async run(): Promise<ContentOutcome> {
    try {
      return await this.#run();
    } finally {
      await this.#ahead.close();
    }
  }

  async #run(): Promise<ContentOutcome> {
    const { before, node } = this.#request;
    let changed = before === undefined || before.size !== this.#file.size;
    const span = SPAN_ROWS * ROW_BLOCKS;
    for (let first = 0; first * BLOCK_BYTES < this.#file.size; first += span) {
      const rows = await this.#look.look(first, first + span);
      if (rows.size > 0) changed = true;
      if (first === 0) await this.#decide();
      await this.#send(rows, first, first + span);
    }
    const wait = this.#emitter.flush();
    if (wait !== undefined) await wait;
    const end = Math.ceil(blockCount(this.#file.size) / ROW_BLOCKS) * ROW_BLOCKS;
    if (before !== undefined && before.size > end * BLOCK_BYTES) {
      this.#parts.state.digests.removeFrom(node, end);
    }
    return {
      size: this.#file.size,
      body: this.#body ?? 'keep',
      changed: changed || before?.size !== this.#file.size,
      steady: this.#file.steady && stayed(this.#request, this.#parts.posix),
      bytesRead: this.#reader.bytesRead,
    };
  }

  /** After the look at the first span: the body word, and whether to match the old version. */
  async #decide(): Promise<void> {
    const { status, before, replaced } = this.#request;
    const { size } = this.#file;
    const looked = blockCount(Math.min(size, SPAN_ROWS * ROW_BYTES));
    const most = this.#look.wholeBlocks > looked / 2;
    this.#body ??= most && size >= ANEW_BYTES_MIN && status.nlink === 1 ? 'new' : 'keep';
    const old = before ?? replaced;
    if (old === undefined || this.#said !== undefined) return;
    const shifted = before === undefined || (most && old.size !== size);
    if (shifted && this.#look.unknownBytes > MATCH_BYTES_MIN) await this.#match(old);
  }

  async #match(old: { readonly id: number; readonly size: number }): Promise<void> {
    const { session, core, blocks, state } = this.#parts;
    const { size } = this.#file;
    const fits =
      Math.min(old.size, size) >= SPLICE_BYTES_MIN && Math.max(old.size, size) <= SPLICE_BYTES_MAX;
    if (!fits || blocks.silent || !session.live || state.isMade(old.id)) return;
    const source = { node: old.id, size: old.size };
    const { fd } = this.#request;
    try {
      this.#matcher = await SpliceMatcher.build({ session, core, source, fd, size });
    } catch {
      // Matching only saves bytes: a replica that cannot be asked gets the blocks.
      this.#matcher = undefined;
    }
  }

  async #send(rows: ChangedRows, first: number, until: number): Promise<void> {
    // A body written anew must mention every block, once.
    const mentionsAll = this.#body === 'new' && this.#said === undefined;
    if (rows.size > 0 || mentionsAll) await this.#announce();
    const matcher = this.#matcher;
    const had = (digest: Buffer): boolean => this.#look.had(digest);
    let said = first;
    for (const [row, found] of rows) {
      if (row * BLOCK_BYTES >= this.#file.size) break;
      if (mentionsAll) await this.#sayUnchanged(said, row);
      await this.#sender.send(row, found, { mentionsAll, matcher, had });
      said = row + ROW_BLOCKS;
      const rest = this.#parts.pause.breathe();
      if (rest !== undefined) await rest;
    }
    if (mentionsAll) await this.#sayUnchanged(said, until);
  }

  /** Blocks [first, until), of rows that did not change. */
  async #sayUnchanged(first: number, until: number): Promise<void> {
    const count = Math.min(until, blockCount(this.#file.size)) - first;
    if (count <= 0) return;
    const wait = this.#emitter.run('same', first, count);
    if (wait !== undefined) await wait;
  }

  async #announce(): Promise<void> {
    if (this.#announced) return;
    this.#announced = true;
    const body = this.#body ?? 'keep';
    await this.#request.announce({ body, size: this.#file.size, steady: false });
  }
}
