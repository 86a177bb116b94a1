/** Blocks of a file that were marked as changed, and what is known of all from some offset on. */
import { BLOCK_BYTES } from '../../shared/limits.js';
import type { DataRange } from '../../shared/posix/posix.js';

export class BlockMarks {
  #bits: Buffer;
  /** Bytes from here on count as changed. */
  #tailFrom: number;

  constructor(bits: Buffer = Buffer.alloc(0), tailFrom = Infinity) {
    this.#bits = bits;
    this.#tailFrom = tailFrom;
  }

  /** Takes in what `other` marks. */
  merge(other: BlockMarks): void {
    if (other.#bits.length > this.#bits.length) {
      this.#bits = Buffer.concat([this.#bits], other.#bits.length);
    }
    for (const [at, byte] of other.#bits.entries()) {
      if (byte !== 0) this.#bits[at] = (this.#bits[at] ?? 0) | byte;
    }
    this.#tailFrom = Math.min(this.#tailFrom, other.#tailFrom);
  }

  /** Sorted, disjoint ranges of whole blocks, cut at `size` bytes. */
  ranges(size: number): DataRange[] {
    const ranges: DataRange[] = [];
    const tail = Math.min(size, Math.floor(this.#tailFrom / BLOCK_BYTES) * BLOCK_BYTES);
    for (const [at, byte] of this.#bits.entries()) {
      if (byte === 0) continue;
      for (let bit = 0; bit < 8; bit += 1) {
        if ((byte & (1 << bit)) !== 0) add(ranges, { start: (at * 8 + bit) * BLOCK_BYTES, tail });
      }
    }
    const last = ranges.at(-1);
    if (tail >= size) return ranges;
    if (last?.end !== tail) return [...ranges, { start: tail, end: size }];
    return [...ranges.slice(0, -1), { start: last.start, end: size }];
  }
}

/** Appends the block at `start`, joined with what ends there, unless it lies in the tail. */
function add(ranges: DataRange[], { start, tail }: { start: number; tail: number }): void {
  if (start >= tail) return;
  const end = Math.min(start + BLOCK_BYTES, tail);
  const last = ranges.at(-1);
  if (last?.end === start) ranges[ranges.length - 1] = { start: last.start, end };
  else ranges.push({ start, end });
}
