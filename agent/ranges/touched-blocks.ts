/**
 * The blocks of a file that must be looked at, from byte ranges that may have changed: whole blocks
 * around the ranges (R27), and those at the old and the new end, whose length changed.
 */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import type { DataRange } from '../../shared/posix/posix.js';

/** Blocks [first, until). */
export interface BlockSpan {
  readonly first: number;
  readonly until: number;
}

export interface Sizes {
  /** Bytes that the digest rows describe. */
  readonly oldSize: number;
  readonly newSize: number;
}

/** Sorted and disjoint; spans that meet are one. */
export function touchedBlocks(
  ranges: readonly DataRange[],
  { oldSize, newSize }: Sizes,
): BlockSpan[] {
  const count = blockCount(newSize);
  const all = ranges.map(({ start, end }) => ({
    first: Math.floor(start / BLOCK_BYTES),
    until: Math.min(count, Math.ceil(end / BLOCK_BYTES)),
  }));
  if (oldSize !== newSize) {
    const inBoth = Math.max(1, Math.min(oldSize, newSize));
    const until = newSize > oldSize ? count : blockCount(inBoth);
    all.push({ first: Math.floor((inBoth - 1) / BLOCK_BYTES), until: Math.min(count, until) });
  }
  all.sort((a, b) => a.first - b.first);
  const spans: BlockSpan[] = [];
  for (const { first, until } of all) {
    const last = spans.at(-1);
    if (first >= until) continue;
    if (last === undefined || last.until < first) spans.push({ first, until });
    else if (last.until < until) spans[spans.length - 1] = { first: last.first, until };
  }
  return spans;
}

/** Walks spans in ascending order: what is asked for never starts before what was. */
export class SpanCursor {
  readonly #spans: readonly BlockSpan[];
  #at = 0;

  constructor(spans: readonly BlockSpan[]) {
    this.#spans = spans;
  }

  /** The first touched block in [first, until); undefined when there is none. */
  next(first: number, until: number): number | undefined {
    while ((this.#spans[this.#at]?.until ?? Infinity) <= first) this.#at += 1;
    const span = this.#spans[this.#at];
    if (span === undefined || span.first >= until) return undefined;
    return Math.max(first, span.first);
  }

  /** True when `block` is touched. */
  has(block: number): boolean {
    return this.next(block, block + 1) !== undefined;
  }
}
