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

/** Chaining values of `count` whole chunks, a multiple of eight → `out`. */
export function wholeChunks(
  input: usize,
  count: u32,
  counter: u64,
  key: usize,
  flags: u32,
  out: usize,
): void {
  for (let i: u32 = 0; i < count; i += 8) {
    const p = input + i * CHUNK_BYTES;
    const index = counter + i;
    hash8(p, CHUNK_BYTES, 16, key, index, 1, flags, CHUNK_START, CHUNK_END, out + 32 * i);
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
  const block = length < 64 ? padded(input, length) : input;
  compress1(value, block, length, counter, flags | first | CHUNK_END | last, out);
}

/** A copy of `length` bytes (≤ 1,024) whose last block is filled up with zeros. */
function padded(input: usize, length: u32): usize {
  const whole = length & ~63;
  clear(PADDED + whole, 64);
  memory.copy(PADDED, input, length);
  return PADDED;
}

/** Chaining values of 2 to 4 chunks, the last one short or whole, in as many lanes → `out`. */
function fewChunks(
  input: usize,
  length: u32,
  counter: u64,
  key: usize,
  flags: u32,
  out: usize,
): void {
  const whole = length / CHUNK_BYTES;
  const rest = length % CHUNK_BYTES;
  const tail = rest == 0 ? input : padded(input + whole * CHUNK_BYTES, rest);
  // Idle lanes repeat the first chunk; what they give is overwritten or unused.
  const p1 = whole > 1 ? input + CHUNK_BYTES : tail;
  const p2 = whole > 2 ? input + 2 * CHUNK_BYTES : whole == 2 ? tail : input;
  const p3 = whole > 3 ? input + 3 * CHUNK_BYTES : whole == 3 ? tail : input;
  const tailBlocks = (rest + 63) / 64;
  const tailLength = rest == 0 ? 0 : rest - 64 * (tailBlocks - 1);
  hash4(
    input,
    p1,
    p2,
    p3,
    16,
    key,
    counter,
    1,
    flags,
    CHUNK_START,
    CHUNK_END,
    whole,
    tailBlocks,
    tailLength,
    out,
  );
}

/** Chaining values of all chunks of `length` bytes (at least 1) → `out`, with room for 3 more; how many. */
export function allChunks(
  input: usize,
  length: u32,
  counter: u64,
  key: usize,
  flags: u32,
  out: usize,
): u32 {
  const chunks = (length + CHUNK_BYTES - 1) / CHUNK_BYTES;
  let done = (length / CHUNK_BYTES) & ~7;
  wholeChunks(input, done, counter, key, flags, out);
  for (; done < chunks; done += 4) {
    const p = input + done * CHUNK_BYTES;
    const left = length - done * CHUNK_BYTES;
    const place = out + 32 * done;
    if (left > CHUNK_BYTES) {
      fewChunks(p, min(left, 4 * CHUNK_BYTES), counter + done, key, flags, place);
    } else {
      oneChunk(p, left, counter + done, key, flags, 0, place);
    }
  }
  return chunks;
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
    const to = out + 32 * i;
    hash4(p, p + 64, p + 128, p + 192, 1, key, 0, 0, flags | PARENT, 0, 0, 0, 0, 0, to);
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
