/**
 * Blocks of files that were read and checked, kept in buffers of one size that are used again: what
 * was read ahead, and what was read last, up to a bound of bytes.
 */
import { RUN_BYTES_MAX } from '../../shared/api/content.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { BoundedMap } from './bounded-map.js';

/** Blocks of one file that follow each other, at most 1 MiB; or zeros, however many. */
export interface Piece {
  readonly file: string;
  readonly first: number;
  readonly count: number;
  /** Undefined for zeros. */
  readonly bytes: Buffer | undefined;
}

const FREE_MAX = 16;
/** What a piece weighs beside its bytes. */
const PIECE_BYTES = 1024;
/** Zeros are cut up so finely that each block finds its piece. */
export const ZERO_COUNT_MAX = 4096;

export class BlockStore {
  readonly #pieces: BoundedMap<string, Piece>;
  /** Of each block, the first block of the piece that has it. */
  readonly #places = new Map<string, Map<number, number>>();
  readonly #free: Buffer[] = [];

  constructor(bytesMax: number) {
    this.#pieces = new BoundedMap(bytesMax, {
      weigh: ({ bytes }) => PIECE_BYTES + (bytes?.buffer.byteLength ?? 0),
      onForget: (piece) => {
        this.#forget(piece);
      },
    });
  }

  /** Room for the bytes of a piece. */
  room(length: number): Buffer {
    if (length <= BLOCK_BYTES) return Buffer.allocUnsafeSlow(length);
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(RUN_BYTES_MAX);
    return buffer.subarray(0, length);
  }

  /** Gives room back that became no piece. */
  give(room: Buffer): void {
    const isWhole = room.buffer.byteLength === RUN_BYTES_MAX;
    if (isWhole && this.#free.length < FREE_MAX) this.#free.push(Buffer.from(room.buffer));
  }

  /** `bytes` is the store's from now on. */
  add(piece: Piece): void {
    const places = this.#places.get(piece.file) ?? new Map<number, number>();
    this.#places.set(piece.file, places);
    this.#pieces.delete(keyOf(piece));
    for (let block = piece.first; block < piece.first + piece.count; block += 1) {
      places.set(block, piece.first);
    }
    this.#pieces.set(keyOf(piece), piece);
  }

  /** The piece that has the block; its bytes are good until the next turn. */
  find(file: string, block: number): Piece | undefined {
    const first = this.#places.get(file)?.get(block);
    return first === undefined ? undefined : this.#pieces.get(keyOf({ file, first }));
  }

  has(file: string, block: number): boolean {
    return this.#places.get(file)?.has(block) === true;
  }

  #forget(piece: Piece): void {
    const places = this.#places.get(piece.file);
    if (places !== undefined) {
      for (let block = piece.first; block < piece.first + piece.count; block += 1) {
        if (places.get(block) === piece.first) places.delete(block);
      }
      if (places.size === 0) this.#places.delete(piece.file);
    }
    if (piece.bytes !== undefined) this.give(piece.bytes);
  }
}

function keyOf({ file, first }: { readonly file: string; readonly first: number }): string {
  return `${file}:${first}`;
}
