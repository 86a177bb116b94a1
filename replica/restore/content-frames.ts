/**
 * Reads contents of a point as frames, block by block with the digests of the index: what the API
 * streams and what a restore beside the history reads. Whole zero blocks are told by digest, not read.
 */
import { type ContentFrame, RUN_BYTES_MAX } from '../../shared/api/content.js';
import { AfterimageError, asAfterimageError, invariant } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { BLOCK_BYTES, blockCount, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import type { PointView, ReadManner } from '../history/set-reader.js';
import type { BlockRange, ReadItem } from '../../shared/restore/point-source.js';

/** Blocks whose digests are looked up at once. */
const LOOKUP_BLOCKS = 1024;
const RUN_BLOCKS = RUN_BYTES_MAX / BLOCK_BYTES;

export interface FrameManner extends ReadManner {
  /** Whether blocks that follow each other may come as runs. */
  readonly shape?: 'runs' | 'blocks';
}

export async function* readFrames(
  view: PointView,
  hash: HashCore,
  items: readonly ReadItem[],
  manner: FrameManner = {},
): AsyncGenerator<ContentFrame> {
  for (const [item, { node, ranges }] of items.entries()) {
    const small = ranges === undefined ? view.readSmall?.(node, manner) : undefined;
    if (small !== undefined && (manner.shape === 'runs' || small.bytes.length <= BLOCK_BYTES)) {
      yield shaped({ item, block: 0, ...small });
      continue;
    }
    const version = view.version(node);
    if (version?.kind !== 'file') {
      yield { type: 'failed', item, block: 0, error: missing(view, node) };
      continue;
    }
    const blocks = blockCount(version.size);
    const file = new FileFrames(view, hash, {
      item,
      node,
      size: version.size,
      manner,
    });
    for (const range of ranges ?? [{ first: 0, count: blocks }]) {
      const end = Math.min(blocks, range.first + range.count);
      for (let first = range.first; first < end; first += LOOKUP_BLOCKS) {
        yield* file.read({ first, count: Math.min(LOOKUP_BLOCKS, end - first) });
      }
    }
    yield* file.flush();
  }
}

function missing(view: PointView, node: number): AfterimageError {
  return new AfterimageError('not-found', `node ${node} is no file in point ${view.point}`, {
    facts: { set: view.set, point: view.point, node },
  });
}

/** Blocks read at one go: one is a block, more are a run. */
function shaped(of: {
  readonly item: number;
  readonly block: number;
  readonly digests: Buffer;
  readonly bytes: Buffer;
}): ContentFrame {
  if (of.digests.length > DIGEST_BYTES) return { type: 'run', ...of };
  const { item, block, digests, bytes } = of;
  return { type: 'block', item, block, digest: digests, bytes };
}

interface FrameFile {
  readonly item: number;
  readonly node: number;
  readonly size: number;
  readonly manner: FrameManner;
}

class FileFrames {
  readonly #view: PointView;
  readonly #file: FrameFile;
  readonly #zeroDigest: Buffer;
  #zeros: { block: number; count: number } | undefined;

  constructor(view: PointView, hash: HashCore, file: FrameFile) {
    this.#view = view;
    this.#file = file;
    this.#zeroDigest = zeroDigest(hash, BLOCK_BYTES);
  }

  async *read(range: BlockRange): AsyncGenerator<ContentFrame> {
    const digests = digestsOf(this.#view, this.#file.node, range);
    for (let index = 0; index < range.count;) {
      const block = range.first + index;
      if (this.#isZero(block, digests, index)) {
        yield* this.#zero(block);
        index += 1;
        continue;
      }
      yield* this.flush();
      const count = this.#runLength(range, digests, index);
      yield* this.#run(
        block,
        digests.subarray(index * DIGEST_BYTES, (index + count) * DIGEST_BYTES),
      );
      index += count;
    }
  }

  /** A short last block is not worth the digest of as many zeros: it travels as bytes. */
  #isZero(block: number, digests: Buffer, index: number): boolean {
    const at = index * DIGEST_BYTES;
    return (
      blockLength(this.#file.size, block) === BLOCK_BYTES &&
      digests.compare(this.#zeroDigest, 0, DIGEST_BYTES, at, at + DIGEST_BYTES) === 0
    );
  }

  /** Blocks from `index` on that are read at one go. */
  #runLength(range: BlockRange, digests: Buffer, index: number): number {
    const countMax = Math.min(RUN_BLOCKS, range.count - index);
    let count = 1;
    while (count < countMax && !this.#isZero(range.first + index + count, digests, index + count))
      count += 1;
    return count;
  }

  async *#run(block: number, digests: Buffer): AsyncGenerator<ContentFrame> {
    const { item, node, manner, size } = this.#file;
    const bytes = this.#view.readRun?.(node, { first: block, digests }, manner);
    if (bytes !== undefined && manner.shape === 'runs') {
      yield shaped({ item, block, digests, bytes });
      return;
    }
    let at = 0;
    for (let index = 0; index * DIGEST_BYTES < digests.length; index += 1) {
      const digest = digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
      const length = blockLength(size, block + index);
      yield bytes === undefined
        ? await this.#block(block + index, digest)
        : {
            type: 'block',
            item,
            block: block + index,
            digest,
            bytes: bytes.subarray(at, at + length),
          };
      at += length;
    }
  }

  *flush(): Generator<ContentFrame> {
    if (this.#zeros !== undefined) yield { type: 'zero', item: this.#file.item, ...this.#zeros };
    this.#zeros = undefined;
  }

  *#zero(block: number): Generator<ContentFrame> {
    if (this.#zeros !== undefined && this.#zeros.block + this.#zeros.count === block) {
      this.#zeros.count += 1;
      return;
    }
    yield* this.flush();
    this.#zeros = { block, count: 1 };
  }

  async #block(block: number, digest: Buffer): Promise<ContentFrame> {
    const { item, node } = this.#file;
    try {
      const bytes = await this.#view.readBlock(node, block);
      return { type: 'block', item, block, digest, bytes };
    } catch (error) {
      return { type: 'failed', item, block, error: asAfterimageError(error) };
    }
  }
}

/** Digests of a range that lies inside the file, as one run. */
export function digestsOf(view: PointView, node: number, range: BlockRange): Buffer {
  const runs = view.digests(node, range);
  const only = runs[0];
  if (runs.length === 1 && only?.block === range.first) {
    invariant(only.digests.length === range.count * DIGEST_BYTES, 'digests cover what is asked');
    return only.digests;
  }
  const digests = Buffer.alloc(range.count * DIGEST_BYTES);
  let covered = 0;
  for (const run of runs) {
    digests.set(run.digests, (run.block - range.first) * DIGEST_BYTES);
    covered += run.digests.length;
  }
  invariant(covered === digests.length, `digests of node ${node} cover ${range.count} blocks`);
  return digests;
}

/** Blocks that hold bytes [offset, offset + length). */
export function blocksOf(offset: number, length: number): BlockRange {
  const first = Math.floor(offset / BLOCK_BYTES);
  return { first, count: length === 0 ? 0 : Math.ceil((offset + length) / BLOCK_BYTES) - first };
}
