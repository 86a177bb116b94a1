/**
 * What is done for the agent away from its plan: files read and named. The same code runs in workers
 * and, without them, in the caller's thread, so what comes out is the same.
 */
import { readSync } from 'node:fs';
import type { HashCore } from '../../shared/hash/hash-core.js';
import {
  blockCount,
  BLOCK_BYTES,
  DIGEST_BYTES,
  FINGERPRINT_BYTES,
  PAGES_PER_BLOCK,
} from '../../shared/limits.js';
import type { Posix } from '../../shared/posix/posix.js';
import { smallCodes, smallSize } from '../../shared/posix/small-files.js';
import type { Slot } from './slot.js';

export type Job =
  /** Reads small files of an open folder: their content, codes and rows. */
  | {
      readonly type: 'small';
      readonly folder: number;
      /** Of the slot's packed files. */
      readonly packedBytes: number;
      readonly count: number;
    }
  /** Reads and names a run of blocks, at most a row of them. */
  | {
      readonly type: 'run';
      readonly fd: number;
      readonly offset: number;
      readonly length: number;
    };

/** Bytes of content that were read. */
export type JobResult = number;

export interface JobTools {
  readonly core: HashCore;
  readonly readSmall: Posix['readSmall'];
}

/** Throws the system's error; the job may then be done again. */
export function perform(job: Job, slot: Slot, tools: JobTools): JobResult {
  return job.type === 'small' ? readSmall(job, slot, tools) : readRun(job, slot, tools);
}

function readSmall(
  { folder, packedBytes, count }: Extract<Job, { type: 'small' }>,
  slot: Slot,
  { core, readSmall: read }: JobTools,
): number {
  const files = slot.files.subarray(0, packedBytes);
  if (read === undefined) slot.codes.fill(smallCodes.otherWay, 0, count);
  else read({ folder, files, room: slot.content, codes: slot.codes });
  let bytes = 0;
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const { size, place, next } = smallSize(files, at);
    at = next;
    slot.setNoRow(index);
    if (slot.codes[index] === smallCodes.otherWay) continue;
    bytes += size;
    if (size === 0) continue;
    const content = slot.content.subarray(place, place + size);
    if (isZero(content)) continue;
    const { digests, fingerprints } = core.digestBlocks(content);
    slot.setRow(index, digests, fingerprints);
  }
  return bytes;
}

function readRun(
  { fd, offset, length }: Extract<Job, { type: 'run' }>,
  slot: Slot,
  { core }: JobTools,
): number {
  const batch = core.batchBuffer();
  const done = readFully(fd, batch, { offset, length });
  const named = core.digestBatch(done);
  slot.digests.set(named.digests.subarray(0, blockCount(done) * DIGEST_BYTES));
  slot.fingerprints.set(
    named.fingerprints.subarray(0, blockCount(done) * FINGERPRINT_BYTES * PAGES_PER_BLOCK),
  );
  slot.content.set(batch.subarray(0, done));
  for (let index = 0; index < blockCount(done); index += 1) {
    const start = index * BLOCK_BYTES;
    const block = slot.content.subarray(start, Math.min(start + BLOCK_BYTES, done));
    slot.zeros[index] = isZero(block) ? 1 : 0;
  }
  return done;
}

const zeros = Buffer.alloc(BLOCK_BYTES);

/** At most a block. */
export function isZero(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes.equals(zeros.subarray(0, bytes.length));
}

/** Reads until `length` bytes are there or the file ends; returns the bytes read. */
export function readFully(
  fd: number,
  into: Uint8Array,
  at: { readonly offset: number; readonly length: number },
): number {
  let done = 0;
  while (done < at.length) {
    const count = readSync(fd, into, done, at.length - done, at.offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
