/**
 * Reads runs of blocks of an open file straight into the hashing core and names them. Holes of a
 * sparse file are zero blocks without being read. A file that turns out shorter than it was cuts
 * the run.
 */
import { readSync } from 'node:fs';
import type { HashCore } from '../../shared/hash/hash-core.js';
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  FINGERPRINT_BYTES,
  PAGES_PER_BLOCK,
} from '../../shared/limits.js';
import type { DataRange } from '../../shared/posix/posix.js';
import { countStage, Stage } from '../../shared/stages.js';
import { ROW_BLOCKS } from '../state/block-row.js';

const PAGES_BYTES = FINGERPRINT_BYTES * PAGES_PER_BLOCK;
const zeros = Buffer.alloc(BLOCK_BYTES);

/** Blocks read and named; the buffers are reused by the next read. */
export class BlockRun {
  readonly digests = Buffer.alloc(ROW_BLOCKS * DIGEST_BYTES);
  readonly fingerprints = Buffer.alloc(ROW_BLOCKS * PAGES_BYTES);
  /** Bytes read; less than asked for when the file ended. */
  length = 0;
  bytes: Buffer = Buffer.alloc(0);
  /** The run lies in a hole: `bytes` and digests are not set. */
  hole = false;

  block(index: number): Buffer {
    const start = index * BLOCK_BYTES;
    return this.bytes.subarray(start, Math.min(start + BLOCK_BYTES, this.length));
  }

  digest(index: number): Buffer {
    return this.digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }

  isZero(index: number): boolean {
    if (this.hole) return true;
    const bytes = this.block(index);
    return bytes.equals(zeros.subarray(0, bytes.length));
  }
}

export class BlockReader {
  readonly #core: HashCore;
  readonly #fd: number;
  readonly #ranges: readonly DataRange[] | undefined;
  #rangeAt = 0;
  /** Bytes read from the file so far. */
  bytesRead = 0;

  /** `ranges`: where the file holds data, undefined when it has no holes. */
  constructor(core: HashCore, fd: number, ranges: readonly DataRange[] | undefined) {
    this.#core = core;
    this.#fd = fd;
    this.#ranges = ranges;
  }

  /** Parts of it need not be read. */
  get sparse(): boolean {
    return this.#ranges !== undefined;
  }

  /** Reads [first block, length in bytes) into `run`; at most 16 blocks. */
  read(run: BlockRun, first: number, length: number): void {
    const offset = first * BLOCK_BYTES;
    run.hole = this.#isHole(offset, offset + length);
    run.length = length;
    if (run.hole) return;
    const batch = this.#core.batchBuffer();
    run.length = readFully(this.#fd, batch, { offset, length });
    this.bytesRead += run.length;
    run.bytes = Buffer.from(batch.buffer, batch.byteOffset, run.length);
    const named = this.#core.digestBatch(run.length);
    run.digests.set(named.digests);
    run.fingerprints.set(named.fingerprints);
  }

  /** True when no data lies in [start, end). Runs are mostly asked for in ascending order. */
  #isHole(start: number, end: number): boolean {
    const ranges = this.#ranges;
    if (ranges === undefined) return false;
    if ((ranges[this.#rangeAt - 1]?.end ?? 0) > start) this.#rangeAt = 0;
    while (this.#rangeAt < ranges.length && (ranges[this.#rangeAt]?.end ?? 0) <= start) {
      this.#rangeAt += 1;
    }
    const next = ranges[this.#rangeAt];
    return next === undefined || next.start >= end;
  }
}

/** Reads until `length` bytes are there or the file ends; returns the bytes read. */
export function readFully(
  fd: number,
  into: Uint8Array,
  at: { readonly offset: number; readonly length: number },
): number {
  const start = performance.now();
  let done = 0;
  while (done < at.length) {
    const count = readSync(fd, into, done, at.length - done, at.offset + done);
    if (count === 0) break;
    done += count;
  }
  countStage(Stage.read, start, done);
  return done;
}
