/**
 * Finds the blocks of a file on disk that differ from the point's, by digest: size and times prove
 * nothing (promise 5). Reads locally, asks the source for digests only, in bounded pieces.
 */
import { readSync } from 'node:fs';
import type { HashCore } from '../hash/hash-core.js';
import { zeroDigest } from '../hash/zero-digest.js';
import { BLOCK_BYTES, blockCount, blockLength, DIGEST_BYTES } from '../limits.js';
import { TimeSlice } from '../time-slice.js';
import type { BlockRange, PointSource } from './point-source.js';
import { throwIfCancelled } from './cancelled.js';

/** Blocks compared per request for digests: 128 MiB of the file, 64 KiB of digests. */
const PIECE_BLOCKS = 2048;

export interface CompareRequest {
  readonly source: PointSource;
  readonly hash: HashCore;
  readonly node: number;
  /** Bytes of the file in the point. */
  readonly size: number;
  /** The file on disk, open for reading, and its bytes. */
  readonly fd: number;
  readonly localSize: number;
  readonly signal: AbortSignal;
  /** Digests of the whole file, when they are known already. */
  readonly digests?: Buffer | undefined;
}

export interface ComparedPiece {
  /** What differs, ascending; possibly nothing. */
  readonly ranges: readonly BlockRange[];
  readonly comparedBytes: number;
}

/** The whole file, a piece at a time. */
export async function* differingRanges(request: CompareRequest): AsyncGenerator<ComparedPiece> {
  const blocks = blockCount(request.size);
  const slice = new TimeSlice();
  for (let first = 0; first < blocks; first += PIECE_BLOCKS) {
    const piece = { first, count: Math.min(PIECE_BLOCKS, blocks - first) };
    const wanted = await wantedDigests(request, piece);
    const ranges: BlockRange[] = [];
    for (const block of differingBlocks(request, piece, wanted)) {
      if (block === undefined) {
        await slice.breathe();
        throwIfCancelled(request.signal);
      } else {
        addBlock(ranges, block);
      }
    }
    yield { ranges, comparedBytes: rangeBytes([piece], request.size) };
  }
}

async function wantedDigests(request: CompareRequest, piece: BlockRange): Promise<Buffer> {
  const { source, node, size, signal, digests } = request;
  if (digests?.length !== blockCount(size) * DIGEST_BYTES) {
    return await source.digests(node, piece, signal);
  }
  return digests.subarray(piece.first * DIGEST_BYTES, (piece.first + piece.count) * DIGEST_BYTES);
}

/** Whether a small file is what its digests say, at the cost of one reading; false decides nothing. */
export function isSameSmallFile(
  request: Pick<CompareRequest, 'hash' | 'fd' | 'size' | 'localSize' | 'digests'>,
): boolean {
  const { hash, size, localSize, digests } = request;
  if (digests === undefined || localSize !== size || size > hash.batchBytes) return false;
  const batch = hash.batchBuffer().subarray(0, size);
  if (readUpTo(request.fd, batch, 0) < size) return false;
  return digests.equals(hash.digestBatch(size).digests);
}

/** Block numbers that differ; undefined between batches, when it is safe to give way. */
function* differingBlocks(
  request: CompareRequest,
  piece: BlockRange,
  wanted: Buffer,
): Generator<number | undefined> {
  const batchBlocks = Math.floor(request.hash.batchBytes / BLOCK_BYTES);
  const end = piece.first + piece.count;
  for (let block = piece.first; block < end; block += batchBlocks) {
    const count = Math.min(batchBlocks, end - block);
    const local = localDigests(request, { first: block, count });
    for (let index = 0; index < count; index += 1) {
      const at = (block - piece.first + index) * DIGEST_BYTES;
      const digest = wanted.subarray(at, at + DIGEST_BYTES);
      if (!isSame(request, block + index, digest, local.subarray(index * DIGEST_BYTES))) {
        yield block + index;
      }
    }
    yield undefined;
  }
}

function isSame(request: CompareRequest, block: number, wanted: Buffer, local: Buffer): boolean {
  const length = blockLength(request.size, block);
  // What lies past the end of the local file becomes a hole when it grows.
  if (blockLength(request.localSize, block) === 0) {
    return wanted.equals(zeroDigest(request.hash, length));
  }
  return wanted.equals(local.subarray(0, DIGEST_BYTES));
}

/** A copy, 32 bytes a block; shorter at the local end. Blocks are cut at the size in the point. */
function localDigests(request: CompareRequest, range: BlockRange): Buffer {
  const offset = range.first * BLOCK_BYTES;
  const lengthMax = Math.min(range.count * BLOCK_BYTES, request.size - offset);
  const batch = request.hash.batchBuffer().subarray(0, lengthMax);
  const filled = readUpTo(request.fd, batch, offset);
  return Buffer.from(request.hash.digestBatch(filled).digests);
}

/** Fills `room` from the file as far as it goes; returns bytes read. */
function readUpTo(fd: number, room: Uint8Array, offset: number): number {
  let filled = 0;
  while (filled < room.length) {
    const read = readSync(fd, room, filled, room.length - filled, offset + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

function addBlock(ranges: BlockRange[], block: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.first + last.count === block) {
    ranges[ranges.length - 1] = { first: last.first, count: last.count + 1 };
  } else {
    ranges.push({ first: block, count: 1 });
  }
}

/** Bytes of the blocks in `ranges` of a file of `size` bytes. */
export function rangeBytes(ranges: readonly BlockRange[], size: number): number {
  let bytes = 0;
  for (const { first, count } of ranges) {
    bytes += Math.min(size, (first + count) * BLOCK_BYTES) - first * BLOCK_BYTES;
  }
  return bytes;
}
