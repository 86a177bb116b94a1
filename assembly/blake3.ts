/**
 * BLAKE3 over memory: chunks eight or four at a time, then the tree level by level.
 *
 * Pairing neighbours level by level and carrying an odd one up gives BLAKE3's tree (paper, section
 * 2.1: the left subtree is the largest power of two), so no recursion is needed.
 */
import { CHUNK_BYTES, BATCH_BYTES, DIGESTS, IV, KEY, PADDED, STACK, VALUES } from './layout';
import { clear, copy32 } from './lanes';
import { compress1, hash4, hash8 } from './out/compress';

export const CHUNK_START: u32 = 1;
export const CHUNK_END: u32 = 2;
export const PARENT: u32 = 4;
export const ROOT: u32 = 8;
export const KEYED: u32 = 16;

/** Chaining values of `count` whole chunks → `out`, which has room for three more. */
export function wholeChunks(
  input: usize,
  count: u32,
  counter: u64,
  key: usize,
  flags: u32,
  out: usize,
): void {
  let i: u32 = 0;
  for (; i + 8 <= count; i += 8) {
    const p = input + i * CHUNK_BYTES;
    hash8(p, CHUNK_BYTES, 16, key, counter + i, 1, flags, CHUNK_START, CHUNK_END, out + 32 * i);
  }
  for (; i < count; i += 4) {
    // Idle lanes of the last group repeat its first chunk; what they give is overwritten or unused.
    const p0 = input + i * CHUNK_BYTES;
    const p1 = i + 1 < count ? p0 + CHUNK_BYTES : p0;
    const p2 = i + 2 < count ? p0 + 2 * CHUNK_BYTES : p0;
    const p3 = i + 3 < count ? p0 + 3 * CHUNK_BYTES : p0;
    hash4(p0, p1, p2, p3, 16, key, counter + i, 1, flags, CHUNK_START, CHUNK_END, out + 32 * i);
  }
}

/** Chaining value of one chunk of 0 to 1,024 bytes → `out`; `last` holds ROOT for a lone chunk. */
export function oneChunk(
  input: usize,
  length: u32,
  counter: u64,
  key: usize,
  flags: u32,
  last: u32,
  out: usize,
): void {
  let value = key;
  let first = CHUNK_START;
  while (length > 64) {
    compress1(value, input, 64, counter, flags | first, out);
    value = out;
    first = 0;
    input += 64;
    length -= 64;
  }
  let block = input;
  if (length < 64) {
    clear(PADDED, 64);
    memory.copy(PADDED, input, length);
    block = PADDED;
  }
  compress1(value, block, length, counter, flags | first | CHUNK_END | last, out);
}

/** Chaining values of all chunks of `length` bytes (at least 1) → `out`; how many. */
export function allChunks(
  input: usize,
  length: u32,
  counter: u64,
  key: usize,
  flags: u32,
  out: usize,
): u32 {
  const whole = length / CHUNK_BYTES;
  const rest = length % CHUNK_BYTES;
  wholeChunks(input, whole, counter, key, flags, out);
  if (rest == 0) return whole;
  oneChunk(input + whole * CHUNK_BYTES, rest, counter + whole, key, flags, 0, out + 32 * whole);
  return whole + 1;
}

/** One level of the tree: parents of neighbours, an odd one carried; `out` may be `values`. */
export function level(values: usize, count: u32, key: usize, flags: u32, out: usize): u32 {
  const pairs = count >> 1;
  let i: u32 = 0;
  for (; i + 8 <= pairs; i += 8) {
    hash8(values + 64 * i, 64, 1, key, 0, 0, flags | PARENT, 0, 0, out + 32 * i);
  }
  for (; i + 4 <= pairs; i += 4) {
    const p = values + 64 * i;
    hash4(p, p + 64, p + 128, p + 192, 1, key, 0, 0, flags | PARENT, 0, 0, out + 32 * i);
  }
  for (; i < pairs; ++i) {
    compress1(key, values + 64 * i, 64, 0, flags | PARENT, out + 32 * i);
  }
  if ((count & 1) == 0) return pairs;
  copy32(out + 32 * pairs, values + 64 * pairs);
  return pairs + 1;
}

/** Levels in place until one value is left; `last` joins the flags of the topmost parent. */
export function toOne(values: usize, count: u32, key: usize, flags: u32, last: u32): void {
  while (count > 1) {
    count = level(values, count, key, count == 2 ? flags | last : flags, values);
  }
}

let key: usize = IV;
let flags: u32 = 0;
let batches: u64 = 0;
let depth: u32 = 0;

/** Begins an input of any length; `keyed` takes the 32 bytes at KEY. */
export function hashBegin(keyed: bool): void {
  key = keyed ? KEY : IV;
  flags = keyed ? KEYED : 0;
  batches = 0;
  depth = 0;
}

/** Adds exactly BATCH_BYTES; more must follow, so no parent made here is the root. */
export function hashBatch(input: usize): void {
  const chunks = BATCH_BYTES / CHUNK_BYTES;
  wholeChunks(input, chunks, batches * chunks, key, flags, VALUES);
  toOne(VALUES, chunks, key, flags, 0);
  copy32(STACK + 32 * depth, VALUES);
  ++depth;
  ++batches;
  // As many subtrees are complete as the number of batches has trailing zeros.
  for (let merges = ctz(batches); merges > 0; --merges) {
    --depth;
    compress1(key, STACK + 32 * (depth - 1), 64, 0, flags | PARENT, STACK + 32 * (depth - 1));
  }
}

/** Adds the last 0 to BATCH_BYTES bytes (0 only when nothing came before) → DIGESTS. */
export function hashEnd(input: usize, length: u32): void {
  const last = depth == 0 ? ROOT : 0;
  const counter = batches * (BATCH_BYTES / CHUNK_BYTES);
  if (length <= CHUNK_BYTES) {
    oneChunk(input, length, counter, key, flags, last, VALUES);
  } else {
    toOne(VALUES, allChunks(input, length, counter, key, flags, VALUES), key, flags, last);
  }
  copy32(DIGESTS, VALUES);
  while (depth > 0) {
    --depth;
    const pair = STACK + 32 * depth;
    copy32(pair + 32, DIGESTS);
    compress1(key, pair, 64, 0, flags | PARENT | (depth == 0 ? ROOT : 0), DIGESTS);
  }
}
