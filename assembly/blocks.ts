/**
 * Digests of the 64 KiB blocks of a batch, and the fingerprints of their pages from the same trees.
 *
 * A page of 4 KiB is four chunks, so after two levels of pairing each value left is the chaining value
 * of one page: its first 8 bytes are the fingerprint, for free. A block of at most one page has only a
 * root; its fingerprint is the start of its digest.
 */
import { ROOT, allChunks, level, oneChunk, toOne, wholeChunks } from './blake3';
import { clear, copy32 } from './lanes';
import { BLOCK_BYTES, CHUNK_BYTES, DIGESTS, FINGERPRINTS, IV, VALUES } from './layout';

const CHUNKS_PER_BLOCK: u32 = BLOCK_BYTES / CHUNK_BYTES;
const PAGES_PER_BLOCK: u32 = 16;

/** `length` bytes (≤ BATCH_BYTES) → DIGESTS and FINGERPRINTS; the number of blocks. */
export function digestBlocks(input: usize, length: u32): u32 {
  const whole = length / BLOCK_BYTES;
  const rest = length % BLOCK_BYTES;
  if (whole > 0) digestWhole(input, whole);
  if (rest == 0) return whole;
  digestShort(input + whole * BLOCK_BYTES, rest, DIGESTS + 32 * whole, FINGERPRINTS + 128 * whole);
  return whole + 1;
}

/** All blocks go through a level together, so that lanes stay full to the roots. */
function digestWhole(input: usize, blocks: u32): void {
  for (let block: u32 = 0; block < blocks; ++block) {
    const first = block * CHUNKS_PER_BLOCK;
    wholeChunks(input + block * BLOCK_BYTES, CHUNKS_PER_BLOCK, 0, IV, 0, VALUES + 32 * first);
  }
  let count = level(VALUES, blocks * CHUNKS_PER_BLOCK, IV, 0, VALUES);
  count = level(VALUES, count, IV, 0, VALUES);
  takeFingerprints(count, FINGERPRINTS);
  while (count > 2 * blocks) count = level(VALUES, count, IV, 0, VALUES);
  level(VALUES, count, IV, ROOT, DIGESTS);
}

function digestShort(input: usize, length: u32, digest: usize, fingerprints: usize): void {
  clear(fingerprints, 8 * PAGES_PER_BLOCK);
  if (length <= CHUNK_BYTES) {
    oneChunk(input, length, 0, IV, 0, ROOT, VALUES);
    takeFingerprints(1, fingerprints);
  } else {
    let count = allChunks(input, length, 0, IV, 0, VALUES);
    if (count > 4) {
      count = level(VALUES, count, IV, 0, VALUES);
      count = level(VALUES, count, IV, 0, VALUES);
      takeFingerprints(count, fingerprints);
      toOne(VALUES, count, IV, 0, ROOT);
    } else {
      toOne(VALUES, count, IV, 0, ROOT);
      takeFingerprints(1, fingerprints);
    }
  }
  copy32(digest, VALUES);
}

function takeFingerprints(count: u32, out: usize): void {
  for (let i: u32 = 0; i < count; ++i) store<u64>(out + 8 * i, load<u64>(VALUES + 32 * i));
}
