/**
 * `HashCore` over one WebAssembly instance with its own fixed memory.
 *
 * Bytes that already lie in that memory (views of `batchBuffer()`) are worked on in place; all others
 * are copied into a staging area, so a batch under way is not disturbed by other calls.
 */

import { invariant } from '../errors.js';
import { BLOCK_BYTES, DIGEST_BYTES, FINGERPRINT_BYTES, PAGES_PER_BLOCK } from '../limits.js';
import { countStage, Stage } from '../stages.js';
import type { BlockDigests, ChunkSizes, HashCore } from './hash-core.js';
import type { WasmConstant, WasmMemory } from './load-wasm.js';

/** Places are byte offsets in `memory`, lengths are in bytes. */
export type CoreExports = Record<string, unknown> & {
  readonly memory: WasmMemory;
  readonly batchBytes: WasmConstant;
  readonly batch: WasmConstant;
  readonly staging: WasmConstant;
  readonly digests: WasmConstant;
  readonly fingerprints: WasmConstant;
  readonly key: WasmConstant;
  readonly ends: WasmConstant;
  readonly hashBegin: (keyed: number) => void;
  readonly hashBatch: (place: number) => void;
  readonly hashEnd: (place: number, length: number) => void;
  readonly digestBlocks: (place: number, length: number) => number;
  readonly boundaries: (
    place: number,
    length: number,
    min: number,
    average: number,
    max: number,
    averageBits: number,
    final: number,
  ) => number;
  readonly isZero: (place: number, length: number) => number;
  readonly entropy: (place: number, length: number) => number;
  readonly crc32c: (place: number, length: number, seed: number) => number;
};

const FINGERPRINTS_BYTES = FINGERPRINT_BYTES * PAGES_PER_BLOCK;
/** Chunks below this are not worth their names, and would need more room for their ends. */
const CHUNK_BYTES_MIN = 64;
const SAMPLE_RUNS = 16;
const SAMPLE_RUN_BYTES = 256;

export class WasmHashCore implements HashCore {
  readonly build: 'simd' | 'relaxed';
  readonly batchBytes: number;
  readonly #wasm: CoreExports;
  readonly #memory: Uint8Array;
  readonly #batch: Uint8Array;
  readonly #staging: number;
  readonly #digest: Uint8Array;
  /** Views for each number of blocks, made once: files of one block are the most frequent. */
  readonly #results: readonly BlockDigests[];

  constructor(build: 'simd' | 'relaxed', wasm: CoreExports) {
    this.build = build;
    this.batchBytes = wasm.batchBytes.value;
    this.#wasm = wasm;
    this.#memory = new Uint8Array(wasm.memory.buffer);
    this.#batch = this.#view(wasm.batch.value, this.batchBytes);
    this.#staging = wasm.staging.value;
    this.#digest = this.#view(wasm.digests.value, DIGEST_BYTES);
    this.#results = Array.from({ length: this.batchBytes / BLOCK_BYTES + 1 }, (_, blocks) => ({
      digests: this.#view(wasm.digests.value, blocks * DIGEST_BYTES),
      fingerprints: this.#view(wasm.fingerprints.value, blocks * FINGERPRINTS_BYTES),
    }));
  }

  digest(bytes: Uint8Array): Buffer {
    return this.#hash(bytes, 0);
  }

  keyedDigest(key: Uint8Array, bytes: Uint8Array): Buffer {
    invariant(key.length === DIGEST_BYTES, `a key has 32 bytes, not ${key.length}`);
    this.#memory.set(key, this.#wasm.key.value);
    return this.#hash(bytes, 1);
  }

  batchBuffer(): Uint8Array {
    return this.#batch;
  }

  digestBatch(length: number): BlockDigests {
    invariant(length >= 0 && length <= this.batchBytes, `a batch of ${length} bytes`);
    return this.#digestBlocks(this.#wasm.batch.value, length);
  }

  digestBlocks(bytes: Uint8Array): BlockDigests {
    return this.#digestBlocks(this.#place(bytes), bytes.length);
  }

  isZero(bytes: Uint8Array): boolean {
    // Most blocks that are not zero show it at an end, before anything is copied.
    if (bytes.length > 0 && (bytes[0] !== 0 || bytes[bytes.length - 1] !== 0)) return false;
    for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
      const part = bytes.subarray(from, from + BLOCK_BYTES);
      if (this.#wasm.isZero(this.#place(part), part.length) === 0) return false;
    }
    return true;
  }

  boundaries(bytes: Uint8Array, sizes: ChunkSizes, final: boolean): Uint32Array {
    const { minBytes, averageBytes, maxBytes } = sizes;
    invariant(
      minBytes >= CHUNK_BYTES_MIN && minBytes < averageBytes && averageBytes < maxBytes,
      `chunk sizes ${minBytes}, ${averageBytes}, ${maxBytes}`,
    );
    const count = this.#wasm.boundaries(
      this.#place(bytes),
      bytes.length,
      minBytes,
      averageBytes,
      maxBytes,
      Math.round(Math.log2(averageBytes)),
      final ? 1 : 0,
    );
    return new Uint32Array(this.#wasm.memory.buffer, this.#wasm.ends.value, count).slice();
  }

  entropy(bytes: Uint8Array): number {
    const sampleBytes = SAMPLE_RUNS * SAMPLE_RUN_BYTES;
    if (bytes.length <= sampleBytes || this.#isInside(bytes)) {
      return this.#wasm.entropy(this.#place(bytes), bytes.length);
    }
    // The same runs that the core would take: copy these 4 KiB instead of everything.
    const spread = bytes.length - SAMPLE_RUN_BYTES;
    for (let run = 0; run < SAMPLE_RUNS; run += 1) {
      const from = Math.floor((spread * run) / (SAMPLE_RUNS - 1));
      const part = bytes.subarray(from, from + SAMPLE_RUN_BYTES);
      this.#memory.set(part, this.#staging + run * SAMPLE_RUN_BYTES);
    }
    return this.#wasm.entropy(this.#staging, sampleBytes);
  }

  crc32c(bytes: Uint8Array, seed = 0): number {
    let crc = seed;
    for (let from = 0; from < bytes.length; from += this.batchBytes) {
      const part = bytes.subarray(from, from + this.batchBytes);
      crc = this.#wasm.crc32c(this.#place(part), part.length, crc) >>> 0;
    }
    return crc;
  }

  #view(place: number, length: number): Uint8Array {
    return new Uint8Array(this.#wasm.memory.buffer, place, length);
  }

  #isInside(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#memory.buffer;
  }

  /** Where `bytes` are in core memory, copied there first unless they already are. */
  #place(bytes: Uint8Array): number {
    if (this.#isInside(bytes)) return bytes.byteOffset;
    invariant(bytes.length <= this.batchBytes, `${bytes.length} bytes in one call of the core`);
    this.#memory.set(bytes, this.#staging);
    return this.#staging;
  }

  #digestBlocks(place: number, length: number): BlockDigests {
    const start = performance.now();
    const result = this.#results[this.#wasm.digestBlocks(place, length)];
    countStage(Stage.hash, start, length);
    invariant(result !== undefined, `${length} bytes are more blocks than a batch has`);
    return result;
  }

  #hash(bytes: Uint8Array, keyed: 0 | 1): Buffer {
    const start = performance.now();
    this.#wasm.hashBegin(keyed);
    let from = 0;
    for (; bytes.length - from > this.batchBytes; from += this.batchBytes) {
      this.#wasm.hashBatch(this.#place(bytes.subarray(from, from + this.batchBytes)));
    }
    const rest = from === 0 ? bytes : bytes.subarray(from);
    this.#wasm.hashEnd(this.#place(rest), rest.length);
    countStage(Stage.hash, start, bytes.length);
    return Buffer.from(this.#digest);
  }
}
