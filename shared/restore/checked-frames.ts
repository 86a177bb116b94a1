/**
 * Contents as they are written: every block has the digest that the index tells. It is compared here
 * and nowhere else, where the bytes are used, so that neither a disk nor the way from there can bring
 * others (R2). What differs, because a sync changes the file while it is read or because it rots, is
 * asked for again block by block, which gives what was there at the point, or says what is damaged.
 */
import type { ContentFrame } from '../api/content.js';
import { AfterimageError } from '../errors.js';
import type { HashCore } from '../hash/hash-core.js';
import { blockCount, DIGEST_BYTES } from '../limits.js';
import type { PointSource, ReadItem } from './point-source.js';

type BlocksFrame = ContentFrame & { readonly type: 'block' | 'run' };

interface Reading {
  readonly source: Pick<PointSource, 'read'>;
  readonly hash: HashCore;
  readonly signal: AbortSignal;
}

/** As `PointSource.read`; a block that came wrong twice is a failed one, with `answer-malformed`. */
export async function* checkedFrames(
  reading: Reading,
  items: readonly ReadItem[],
): AsyncGenerator<ContentFrame> {
  for await (const frame of reading.source.read(items, reading.signal, 'asker')) {
    if (!hasBlocks(frame) || matches(reading.hash, frame)) {
      yield frame;
      continue;
    }
    const asked = items[frame.item];
    if (asked === undefined) throw broken(frame.block);
    const range = { first: frame.block, count: Math.max(1, blockCount(frame.bytes.length)) };
    yield* readAgain(reading, frame.item, { ...asked, ranges: [range] });
  }
}

async function* readAgain(
  { source, hash, signal }: Reading,
  item: number,
  asked: ReadItem,
): AsyncGenerator<ContentFrame> {
  for await (const frame of source.read([asked], signal, 'here')) {
    if (hasBlocks(frame) && !matches(hash, frame)) yield* failedBlocks(frame, item);
    else yield { ...frame, item };
  }
}

/** The file that they are of is not made; all others go on. */
function* failedBlocks({ block, bytes }: BlocksFrame, item: number): Generator<ContentFrame> {
  const count = Math.max(1, blockCount(bytes.length));
  for (let at = block; at < block + count; at += 1) {
    yield { type: 'failed', item, block: at, error: broken(at) };
  }
}

function hasBlocks(frame: ContentFrame): frame is BlocksFrame {
  return frame.type === 'block' || frame.type === 'run';
}

/** Whether each of the blocks has its digest; how long a block is says whoever knows the file. */
export function matches(hash: HashCore, frame: BlocksFrame): boolean {
  const digests = frame.type === 'block' ? frame.digest : frame.digests;
  if (digests.length !== blockCount(frame.bytes.length) * DIGEST_BYTES) return false;
  return digests.equals(hash.digestBlocks(frame.bytes).digests);
}

function broken(block: number): AfterimageError {
  return new AfterimageError('answer-malformed', `block ${block} arrived broken`, {
    facts: { block },
  });
}
