/** BLAKE3 written straight from its paper, slow and plain, to compare the core with. */

const IV = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const KEYED = 16;

const CHUNK_BYTES = 1024;
const PAGE_BYTES = 4096;

interface Mode {
  readonly key: readonly number[];
  readonly flags: number;
}

const UNKEYED: Mode = { key: IV, flags: 0 };

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));
const at = (words: readonly number[], index: number): number => words[index] ?? 0;

function g(
  v: number[],
  [a, b, c, d]: readonly [number, number, number, number],
  x: number,
  y: number,
) {
  v[a] = (at(v, a) + at(v, b) + x) | 0;
  v[d] = rotate(at(v, d) ^ at(v, a), 16);
  v[c] = (at(v, c) + at(v, d)) | 0;
  v[b] = rotate(at(v, b) ^ at(v, c), 12);
  v[a] = (at(v, a) + at(v, b) + y) | 0;
  v[d] = rotate(at(v, d) ^ at(v, a), 8);
  v[c] = (at(v, c) + at(v, d)) | 0;
  v[b] = rotate(at(v, b) ^ at(v, c), 7);
}

const QUADS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

function compress(
  value: readonly number[],
  block: readonly number[],
  tail: { counter: number; length: number; flags: number },
): number[] {
  const high = Math.floor(tail.counter / 2 ** 32);
  const v = [...value, ...IV.slice(0, 4), tail.counter | 0, high, tail.length, tail.flags];
  let message = block;
  for (let round = 0; round < 7; round += 1) {
    for (const [index, quad] of QUADS.entries()) {
      g(v, quad, at(message, 2 * index), at(message, 2 * index + 1));
    }
    const before = message;
    message = PERMUTATION.map((from) => at(before, from));
  }
  return v.slice(0, 8).map((word, index) => word ^ at(v, index + 8));
}

function wordsOf(bytes: Uint8Array, count: number): number[] {
  const padded = Buffer.alloc(4 * count);
  padded.set(bytes);
  return Array.from({ length: count }, (_, index) => padded.readInt32LE(4 * index));
}

function bytesOf(words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, index) => bytes.writeInt32LE(word | 0, 4 * index));
  return bytes;
}

function chunkValue(bytes: Uint8Array, counter: number, mode: Mode, last: number): number[] {
  let value = [...mode.key];
  const blocks = Math.max(1, Math.ceil(bytes.length / 64));
  for (let index = 0; index < blocks; index += 1) {
    const block = bytes.subarray(64 * index, 64 * index + 64);
    const first = index === 0 ? CHUNK_START : 0;
    const end = index === blocks - 1 ? CHUNK_END | last : 0;
    const flags = mode.flags | first | end;
    value = compress(value, wordsOf(block, 16), { counter, length: block.length, flags });
  }
  return value;
}

/** The chaining value of a subtree that starts at chunk `counter`: recursive, as the paper says it. */
function subtree(bytes: Uint8Array, counter: number, mode: Mode, last: number): number[] {
  if (bytes.length <= CHUNK_BYTES) return chunkValue(bytes, counter, mode, last);
  const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
  const left = 2 ** Math.floor(Math.log2(chunks - 1));
  const message = [
    ...subtree(bytes.subarray(0, left * CHUNK_BYTES), counter, mode, 0),
    ...subtree(bytes.subarray(left * CHUNK_BYTES), counter + left, mode, 0),
  ];
  return compress(mode.key, message, { counter: 0, length: 64, flags: mode.flags | PARENT | last });
}

export function blake3(bytes: Uint8Array, key?: Uint8Array): Buffer {
  const mode = key === undefined ? UNKEYED : { key: wordsOf(key, 8), flags: KEYED };
  return bytesOf(subtree(bytes, 0, mode, ROOT));
}

/** The sixteen page fingerprints of one block, 128 bytes. */
export function fingerprints(block: Uint8Array): Buffer {
  const result = Buffer.alloc(128);
  if (block.length <= PAGE_BYTES) {
    blake3(block).copy(result, 0, 0, 8);
    return result;
  }
  for (let from = 0; from < block.length; from += PAGE_BYTES) {
    const page = block.subarray(from, from + PAGE_BYTES);
    const value = bytesOf(subtree(page, from / CHUNK_BYTES, UNKEYED, 0));
    value.copy(result, (from / PAGE_BYTES) * 8, 0, 8);
  }
  return result;
}
