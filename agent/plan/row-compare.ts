/** What became of each block of a row: the comparison both ways of reading a file share. */
import { BLOCK_BYTES, blockLength } from '../../shared/limits.js';
import type { BlockRow } from '../state/block-row.js';
import { changedPages } from './pages.js';

export type BlockChange =
  | { readonly type: 'same' }
  | { readonly type: 'zero' }
  /** `pages`: those that differ from what the replica has; undefined when all of it is new. */
  | { readonly type: 'content'; readonly pages: number | undefined };

const same: BlockChange = { type: 'same' };
const zero: BlockChange = { type: 'zero' };
const whole: BlockChange = { type: 'content', pages: undefined };

/** Blocks [first, first + count) before, in a file of `oldSize` bytes, and after. */
export interface RowPair {
  readonly first: number;
  readonly before: BlockRow;
  readonly oldSize: number;
  readonly after: BlockRow;
  readonly newSize: number;
}

export function compareBlock(pair: RowPair, index: number): BlockChange {
  const { first, before, after, oldSize, newSize } = pair;
  const block = first + index;
  const length = blockLength(newSize, block);
  const there = block * BLOCK_BYTES < oldSize;
  const was = there ? before.state(index) : 'forgotten';
  if (after.state(index) === 'zero') {
    return was === 'zero' && length === blockLength(oldSize, block) ? same : zero;
  }
  if (was !== 'known') return whole;
  if (before.digest(index).equals(after.digest(index))) return same;
  const pages = changedPages(before.fingerprints(index), {
    fingerprints: after.fingerprints(index),
    from: 0,
    length,
  });
  return pages === undefined ? whole : { type: 'content', pages };
}
