/**
 * Cuts a reading of many files into pieces whose contents fit into one answer. Pure. Holes are longer
 * than that: where answers come back short, pieces grow.
 */
import { BLOCK_BYTES, blockCount } from '../../shared/limits.js';
import {
  PIECE_BYTES,
  PIECE_ITEMS_MAX,
  type ReadPlace,
} from '../../shared/protocol/restore-question.js';
import type { BlockRange, ReadItem } from '../../shared/restore/point-source.js';

export interface PieceItem {
  /** Number of the item in the whole reading. */
  readonly item: number;
  readonly node: number;
  readonly ranges: readonly BlockRange[];
}

export interface ReadPiece {
  readonly items: readonly PieceItem[];
}

/** Of a file whose size nobody told. */
const BLOCKS_UNKNOWN = 0xffff_ffff;
const RANGES_MAX = 2000;
/** Blocks of a piece when all that came lately was holes: 64 GiB. */
const GROWTH_MAX = 2 ** 16;
/** An answer this short for a full piece was holes. */
const SHORT_BYTES = PIECE_BYTES / 16;

export class PieceCutter {
  readonly #items: readonly ReadItem[];
  #item = 0;
  #range = 0;
  /** Blocks of the range that were cut. */
  #block = 0;
  #growth = 1;

  constructor(items: readonly ReadItem[]) {
    this.#items = items;
  }

  /** The next piece; undefined after the last. */
  next(): ReadPiece | undefined {
    const pieces: PieceItem[] = [];
    let bytesLeft = PIECE_BYTES * this.#growth;
    let ranges = 0;
    while (bytesLeft > 0 && pieces.length < PIECE_ITEMS_MAX && ranges < RANGES_MAX) {
      const item = this.#items[this.#item];
      if (item === undefined) break;
      const cut: BlockRange[] = [];
      while (bytesLeft > 0 && ranges < RANGES_MAX) {
        const range = this.#cut(item, bytesLeft);
        if (range === undefined) break;
        cut.push(range);
        ranges += 1;
        bytesLeft -= rangeLength(item, range);
      }
      if (cut.length > 0) pieces.push({ item: this.#item, node: item.node, ranges: cut });
      if (this.#range >= rangesOf(item).length) this.#nextItem();
      else break;
    }
    return pieces.length === 0 ? undefined : { items: pieces };
  }

  /** What came of a piece: whether it was holes, or more than fits. */
  learn(
    piece: ReadPiece,
    answer: { readonly bytes: Uint8Array; readonly next: string | null },
  ): void {
    if (answer.next !== null) this.#growth = 1;
    else if (answer.bytes.length < SHORT_BYTES && blocksOf(piece) >= PIECE_BYTES / BLOCK_BYTES) {
      this.#growth = Math.min(GROWTH_MAX, this.#growth * 2);
    }
  }

  #cut(item: ReadItem, bytesMax: number): BlockRange | undefined {
    const range = rangesOf(item)[this.#range];
    if (range === undefined) return undefined;
    const first = range.first + this.#block;
    const left = range.count - this.#block;
    const count = Math.min(left, Math.max(1, Math.floor(bytesMax / BLOCK_BYTES)));
    const fits = rangeLength(item, { first, count: left }) <= bytesMax;
    const taken = { first, count: fits ? left : count };
    this.#block += taken.count;
    if (this.#block >= range.count) {
      this.#range += 1;
      this.#block = 0;
    }
    return taken;
  }

  #nextItem(): void {
    this.#item += 1;
    this.#range = 0;
    this.#block = 0;
  }
}

/** What is left of a piece that was answered up to a place, which comes first in what is left. */
export function leftOf(piece: ReadPiece, place: ReadPlace): ReadPiece | undefined {
  const at = piece.items[place.item];
  if (at === undefined) return undefined;
  const ranges = at.ranges.flatMap(({ first, count }) => {
    const from = Math.max(first, place.block);
    return from >= first + count ? [] : [{ first: from, count: first + count - from }];
  });
  const items = piece.items.slice(place.item + 1);
  if (ranges.length > 0) items.unshift({ ...at, ranges });
  return items.length === 0 ? undefined : { items };
}

function rangesOf({ ranges, size }: ReadItem): readonly BlockRange[] {
  if (ranges !== undefined) return ranges;
  const count = size === undefined ? BLOCKS_UNKNOWN : blockCount(size);
  return count === 0 ? [] : [{ first: 0, count }];
}

/** Bytes of a range; the last block of a file may be short. */
function rangeLength({ size }: ReadItem, { first, count }: BlockRange): number {
  const whole = count * BLOCK_BYTES;
  return size === undefined ? whole : Math.max(1, Math.min(whole, size - first * BLOCK_BYTES));
}

function blocksOf({ items }: ReadPiece): number {
  return items.reduce(
    (sum, { ranges }) => sum + ranges.reduce((all, { count }) => all + count, 0),
    0,
  );
}
