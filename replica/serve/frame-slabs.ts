/**
 * Frames of contents in large buffers that are used again: blocks are read to where they are sent
 * from, behind the head that tells of them, so that a restore costs no copy and no new memory here.
 */
import {
  blocksHeadBytes,
  type ContentFrame,
  encodeBlocksHead,
  encodeEnd,
  encodeFailed,
  encodeZeroRun,
  RUN_BYTES_MAX,
} from '../../shared/api/content.js';
import { toProblem } from '../../shared/api/problem.js';

/** The longest frame, and small ones beside it. */
const SLAB_BYTES = RUN_BYTES_MAX + 64 * 1024;
const FREE_MAX = 4;

/** Buffers for all answers of a server. */
export class SlabPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  /** Nobody reads from it any more. */
  give(slab: Buffer): void {
    if (this.#free.length < FREE_MAX) this.#free.push(slab);
  }
}

/** A piece of the answer; `slab` goes back to the pool when the piece was sent. */
export interface Piece {
  readonly slab: Buffer;
  readonly bytes: Buffer;
}

export class FrameSlabs {
  readonly #pool: SlabPool;
  #slab: Buffer;
  #end = 0;
  #full: Piece[] = [];

  constructor(pool: SlabPool) {
    this.#pool = pool;
    this.#slab = pool.take();
  }

  /** Room for a block or a run of blocks; valid until the next call. */
  readonly room = (length: number): Buffer => {
    const head = blocksHeadBytes(length);
    this.#reserve(head + length);
    return this.#slab.subarray(this.#end + head, this.#end + head + length);
  };

  /** The frame's bytes are copied unless they lie in the room that was asked for last. */
  add(frame: ContentFrame): void {
    switch (frame.type) {
      case 'block':
      case 'run':
        this.#addBlocks(frame);
        return;
      case 'zero':
        this.#append(encodeZeroRun(frame));
        return;
      case 'failed':
        this.#append(encodeFailed({ ...frame, problem: toProblem(frame.error) }));
    }
  }

  end(): void {
    this.#append(encodeEnd());
    this.#turn();
  }

  /** Pieces that are full. */
  takeFull(): readonly Piece[] {
    const full = this.#full;
    if (full.length > 0) this.#full = [];
    return full;
  }

  /** Gives everything back; nothing of it was handed out. */
  drop(): void {
    for (const { slab } of this.takeFull()) this.#pool.give(slab);
    this.#pool.give(this.#slab);
    this.#slab = Buffer.alloc(0);
  }

  #addBlocks(frame: ContentFrame & { readonly type: 'block' | 'run' }): void {
    const { bytes } = frame;
    const head = blocksHeadBytes(bytes.length);
    const at = this.#slab.byteOffset + this.#end + head;
    const isInPlace = bytes.buffer === this.#slab.buffer && bytes.byteOffset === at;
    if (!isInPlace) {
      this.#reserve(head + bytes.length);
      bytes.copy(this.#slab, this.#end + head);
    }
    encodeBlocksHead(frame, this.#slab.subarray(this.#end));
    this.#end += head + bytes.length;
  }

  #append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#end += bytes.copy(this.#slab, this.#end);
  }

  #reserve(length: number): void {
    if (this.#end + length > this.#slab.length) this.#turn();
  }

  #turn(): void {
    if (this.#end > 0) {
      this.#full.push({ slab: this.#slab, bytes: this.#slab.subarray(0, this.#end) });
      this.#slab = this.#pool.take();
    }
    this.#end = 0;
  }
}
