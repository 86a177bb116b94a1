/** FastCDC with normalised sizes, one byte and one chunk at a time. */

import type { ChunkSizes } from '../../../../shared/hash/hash-core.js';

const WORD = (1n << 64n) - 1n;

/** SplitMix64 from 0. */
function gearTable(): bigint[] {
  let state = 0n;
  return Array.from({ length: 256 }, () => {
    state = (state + 0x9e3779b97f4a7c15n) & WORD;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & WORD;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & WORD;
    return z ^ (z >> 31n);
  });
}

const gear = gearTable();

/** `bits` ones that end one below the topmost bit. */
function maskOf(bits: number): bigint {
  return ((1n << BigInt(bits)) - 1n) << BigInt(63 - bits);
}

/** Length of the chunk that `bytes` start with, or undefined when it may go on past their end. */
function chunkLength(bytes: Uint8Array, sizes: ChunkSizes): number | undefined {
  const bits = Math.round(Math.log2(sizes.averageBytes));
  let hash = 0n;
  for (let length = sizes.minBytes + 1; length <= bytes.length; length += 1) {
    hash = ((hash << 1n) + (gear[bytes[length - 1] ?? 0] ?? 0n)) & WORD;
    const mask = maskOf(length <= sizes.averageBytes ? bits + 2 : bits - 2);
    if ((hash & mask) === 0n || length === sizes.maxBytes) return length;
  }
  return undefined;
}

export function boundaries(bytes: Uint8Array, sizes: ChunkSizes, final: boolean): number[] {
  const ends: number[] = [];
  let start = 0;
  while (start < bytes.length) {
    const length = chunkLength(bytes.subarray(start), sizes);
    const end = length === undefined ? bytes.length : start + length;
    if (end === bytes.length && !final) break;
    ends.push(end);
    start = end;
  }
  return ends;
}
