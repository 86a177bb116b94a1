/**
 * Digest → locator for tens of millions of blocks, outside the JavaScript heap: 16-byte slots in the
 * memory of a WebAssembly instance of its own (assembly/table.ts), 20–40 bytes an entry.
 */

import { AfterimageError, invariant } from '../errors.js';
import { DIGEST_BYTES } from '../limits.js';
import type { DedupTable } from './hash-core.js';
import { instantiate, type WasmConstant, type WasmMemory } from './load-wasm.js';

/** The largest locator: 40 bits, less one value that marks a free slot. */
export const LOCATOR_MAX = 2 ** 40 - 2;

const SEGMENT_BYTES = 65_536;
const SEGMENT_ENTRIES_MAX = 3_276;
/** Segments that the memory of one instance, 4 GiB, has room for beside its fixed part. */
const DEPTH_AT_START_MAX = 15;
const KEY_BYTES = 11;

export interface DedupTableOptions {
  /**
   * Bound of the slots' memory in bytes, at most 4 GiB. A new digest that would need more takes the
   * place of an older one.
   */
  readonly memoryBytesMax: number;
  /** Entries to lay the table out for, so that it need not grow while it is filled. */
  readonly entriesExpected?: number;
}

/** A `DedupTable` that also answers in bulk. */
export interface BulkDedupTable extends DedupTable {
  /** Bytes of slots that the table has laid out. */
  readonly memoryBytes: number;
  /**
   * Locators of many digests (32 bytes each, one after the other) into `locators`, −1 where a digest is
   * unknown. Several times faster than `get`, because cache misses overlap.
   */
  getMany(digests: Uint8Array, locators: Float64Array): void;
  /** `set` for many digests; how many were new. */
  setMany(digests: Uint8Array, locators: Float64Array): number;
}

type TableExports = Record<string, unknown> & {
  readonly memory: WasmMemory;
  readonly manyMax: WasmConstant;
  readonly manyDigests: WasmConstant;
  readonly manyLocators: WasmConstant;
  readonly open: (depth: number, segmentsMax: number) => number;
  readonly size: () => number;
  readonly segmentCount: () => number;
  readonly get: (k0: number, k1: number, k2: number) => number;
  readonly getMany: (count: number) => void;
  readonly setMany: (count: number) => number;
  readonly set: (k0: number, k1: number, k2: number, locator: number) => number;
  readonly del: (k0: number, k1: number, k2: number) => number;
};

/** @throws AfterimageError `internal` when the first segments cannot be had */
export function createDedupTable(options: DedupTableOptions): BulkDedupTable {
  return new WasmDedupTable(instantiate('table') as TableExports, options);
}

class WasmDedupTable implements BulkDedupTable {
  readonly #wasm: TableExports;

  constructor(wasm: TableExports, options: DedupTableOptions) {
    const { memoryBytesMax, entriesExpected = 0 } = options;
    this.#wasm = wasm;
    const segmentsMax = Math.floor(memoryBytesMax / SEGMENT_BYTES);
    invariant(segmentsMax >= 1, `a dedup table of at most ${memoryBytesMax} bytes`);
    const wanted = Math.ceil(Math.log2(Math.max(1, entriesExpected / SEGMENT_ENTRIES_MAX)));
    const allowed = Math.floor(Math.log2(segmentsMax));
    const depth = Math.min(wanted, allowed, DEPTH_AT_START_MAX);
    if (wasm.open(depth, segmentsMax) === 0) {
      throw new AfterimageError('internal', 'no memory for the dedup table', {
        facts: { bytes: SEGMENT_BYTES * 2 ** depth },
      });
    }
  }

  get size(): number {
    return this.#wasm.size();
  }

  get memoryBytes(): number {
    return this.#wasm.segmentCount() * SEGMENT_BYTES;
  }

  get(digest: Uint8Array): number | undefined {
    const locator = this.#wasm.get(word(digest, 0), word(digest, 4), lastWord(digest));
    return locator < 0 ? undefined : locator;
  }

  set(digest: Uint8Array, locator: number): boolean {
    checkLocator(locator);
    return this.#wasm.set(word(digest, 0), word(digest, 4), lastWord(digest), locator) !== 0;
  }

  delete(digest: Uint8Array): boolean {
    return this.#wasm.del(word(digest, 0), word(digest, 4), lastWord(digest)) !== 0;
  }

  getMany(digests: Uint8Array, locators: Float64Array): void {
    this.#inParts(digests, locators, (part, placed) => {
      this.#wasm.getMany(part.length);
      part.set(placed());
    });
  }

  setMany(digests: Uint8Array, locators: Float64Array): number {
    let fresh = 0;
    this.#inParts(digests, locators, (part, placed) => {
      for (const locator of part) checkLocator(locator);
      placed().set(part);
      fresh += this.#wasm.setMany(part.length);
    });
    return fresh;
  }

  /** Copies digests in, part by part; `placed` gives the locators of a part in table memory. */
  #inParts(
    digests: Uint8Array,
    locators: Float64Array,
    run: (part: Float64Array, placed: () => Float64Array) => void,
  ): void {
    const count = digests.length / DIGEST_BYTES;
    invariant(Number.isInteger(count) && count <= locators.length, `${count} digests at once`);
    const { memory, manyMax, manyDigests, manyLocators } = this.#wasm;
    for (let from = 0; from < count; from += manyMax.value) {
      const part = locators.subarray(from, Math.min(count, from + manyMax.value));
      const source = digests.subarray(from * DIGEST_BYTES, (from + part.length) * DIGEST_BYTES);
      // Views are made anew: growth detaches those of before.
      new Uint8Array(memory.buffer, manyDigests.value, source.length).set(source);
      run(part, () => new Float64Array(memory.buffer, manyLocators.value, part.length));
    }
  }
}

function checkLocator(locator: number): void {
  invariant(
    Number.isInteger(locator) && locator >= 0 && locator <= LOCATOR_MAX,
    `locator ${locator} does not fit in 40 bits`,
  );
}

/** Four bytes from `at`, little-endian. A digest too short to be one is our own mistake. */
function word(digest: Uint8Array, at: number): number {
  invariant(digest.length >= KEY_BYTES, `a digest of ${digest.length} bytes`);
  return (
    byte(digest, at) |
    (byte(digest, at + 1) << 8) |
    (byte(digest, at + 2) << 16) |
    (byte(digest, at + 3) << 24)
  );
}

function lastWord(digest: Uint8Array): number {
  return byte(digest, 8) | (byte(digest, 9) << 8) | (byte(digest, 10) << 16);
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
