/** Reads the blocks of a file that a newer point did not stand for, and says which do not match. */
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { blockCount, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import type { NodeVersion, PointView } from '../history/set-reader.js';
import { digestsOf, readFrames } from '../restore/content-frames.js';
import type { BlockRange } from '../../shared/restore/point-source.js';

const PIECE_BLOCKS = 1024;
/**
 * When more than this part of a piece differs from the newer point, all of it is read: the content
 * may then be kept apart as a whole, equal blocks included (R1).
 */
const APART_SHARE = 0.25;

export type DataResult =
  | { readonly type: 'read'; readonly bytes: number }
  | { readonly type: 'damaged'; readonly block: number; readonly error: AfterimageError };

/** The views to compare; without a newer one every block is read. */
export interface CheckedViews {
  readonly view: PointView;
  readonly newer: PointView | undefined;
}

export class DataCheck {
  readonly #hash: HashCore;
  /** Damaged blocks of the newer points: node → block → digest. */
  readonly #damaged = new Map<number, Map<number, { digest: Buffer; error: AfterimageError }>>();

  constructor(hash: HashCore) {
    this.#hash = hash;
  }

  async *file(views: CheckedViews, version: NodeVersion): AsyncGenerator<DataResult> {
    const blocks = blockCount(version.size);
    const newerSize = fileSize(views.newer?.version(version.node));
    for (let first = 0; first < blocks; first += PIECE_BLOCKS) {
      const piece = { first, count: Math.min(PIECE_BLOCKS, blocks - first) };
      const digests = digestsOf(views.view, version.node, piece);
      const covered = Math.max(0, Math.min(piece.count, blockCount(newerSize) - first));
      const newer =
        covered === 0 || views.newer === undefined
          ? Buffer.alloc(0)
          : digestsOf(views.newer, version.node, { first, count: covered });
      yield* this.#inherited(version.node, piece, digests);
      const ranges = unlike(version, piece, { digests, newer, newerSize });
      yield* this.#read(views.view, version, ranges, { piece, digests });
    }
  }

  /** Blocks that were found damaged in a newer point and are the same here. */
  *#inherited(node: number, piece: BlockRange, digests: Buffer): Generator<DataResult> {
    for (const [block, { digest, error }] of this.#damaged.get(node) ?? []) {
      if (block < piece.first || block >= piece.first + piece.count) continue;
      if (digestAt(digests, block - piece.first).equals(digest)) {
        yield { type: 'damaged', block, error };
      }
    }
  }

  async *#read(
    view: PointView,
    version: NodeVersion,
    ranges: readonly BlockRange[],
    known: { readonly piece: BlockRange; readonly digests: Buffer },
  ): AsyncGenerator<DataResult> {
    if (ranges.length === 0) return;
    for await (const frame of readFrames(view, this.#hash, [{ node: version.node, ranges }])) {
      if (frame.type === 'zero') continue;
      const digest = Buffer.from(digestAt(known.digests, frame.block - known.piece.first));
      const error = frame.type === 'failed' ? frame.error : this.#mismatch(frame.bytes, digest);
      if (error === undefined) {
        yield { type: 'read', bytes: blockLength(version.size, frame.block) };
      } else if (this.#remember(version.node, frame.block, { digest, error })) {
        yield { type: 'damaged', block: frame.block, error };
      }
    }
  }

  #mismatch(bytes: Buffer, digest: Buffer): AfterimageError | undefined {
    if (this.#hash.digest(bytes).equals(digest)) return undefined;
    return new AfterimageError('internal', 'the reader handed out bytes without their digest');
  }

  /** False when it was known, and so reported, with the same digest. */
  #remember(
    node: number,
    block: number,
    damage: { readonly digest: Buffer; readonly error: AfterimageError },
  ): boolean {
    const blocks = this.#damaged.get(node) ?? new Map<number, typeof damage>();
    this.#damaged.set(node, blocks);
    const known = blocks.get(block)?.digest.equals(damage.digest) === true;
    blocks.set(block, damage);
    return !known;
  }
}

function fileSize(version: NodeVersion | undefined): number {
  return version?.kind === 'file' ? version.size : 0;
}

function digestAt(digests: Buffer, index: number): Buffer {
  return digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
}

/** The blocks of a piece that the newer point does not have; all of them when that is a large part. */
function unlike(
  version: NodeVersion,
  piece: BlockRange,
  known: { readonly digests: Buffer; readonly newer: Buffer; readonly newerSize: number },
): BlockRange[] {
  const ranges: { first: number; count: number }[] = [];
  let total = 0;
  for (let index = 0; index < piece.count; index += 1) {
    const block = piece.first + index;
    const sameLength = blockLength(known.newerSize, block) === blockLength(version.size, block);
    if (sameLength && digestAt(known.digests, index).equals(digestAt(known.newer, index))) continue;
    total += 1;
    const last = ranges.at(-1);
    if (last !== undefined && last.first + last.count === block) last.count += 1;
    else ranges.push({ first: block, count: 1 });
  }
  return total > piece.count * APART_SHARE ? [piece] : ranges;
}
