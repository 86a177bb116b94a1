/**
 * A hash of a set that follows the set: adding or taking away an element costs the same however large
 * the set is, in any order, and sets with equal elements have equal hashes.
 *
 * LtHash16: 1,024 lanes of 16 bits, each the sum modulo 2^16 of one word of every element's expansion
 * (Lewi, Kim, Maykov, Weis, "Securing Update Propagation with Homomorphic Hashing", ePrint 2019/227).
 * An element is its BLAKE3-256 digest, expanded to 2,048 bytes by BLAKE3's extended output
 * (assembly/lattice.ts). Finding two sets with one hash is as hard as a short-vector problem, at least
 * 200 bits by the authors' estimate; the digest of the lanes that is published has 128.
 *
 * An element that is there 2^16 times would vanish: callers give each element its own key.
 */
import { invariant } from '../errors.js';
import type { HashCore } from './hash-core.js';
import { instantiate, type WasmConstant, type WasmMemory } from './load-wasm.js';

/** Bytes of a set hash. */
export const SET_HASH_BYTES = 2048;

type LatticeExports = Record<string, unknown> & {
  readonly memory: WasmMemory;
  readonly element: WasmConstant;
  readonly stored: WasmConstant;
  readonly add: () => void;
  readonly subtract: () => void;
  readonly restore: () => void;
  readonly save: () => void;
};

export class SetHash {
  readonly #core: HashCore;
  readonly #wasm: LatticeExports;
  readonly #element: Uint8Array;
  readonly #stored: Uint8Array;

  /** Of the empty set, or of what `state` (2,048 bytes) was taken from. Takes 64 KiB of memory. */
  constructor(core: HashCore, state?: Uint8Array) {
    this.#core = core;
    this.#wasm = instantiate('lattice') as LatticeExports;
    const { memory, element, stored } = this.#wasm;
    this.#element = new Uint8Array(memory.buffer, element.value, 32);
    this.#stored = new Uint8Array(memory.buffer, stored.value, SET_HASH_BYTES);
    if (state === undefined) return;
    invariant(state.length === SET_HASH_BYTES, `a set hash of ${state.length} bytes`);
    this.#stored.set(state);
    this.#wasm.restore();
  }

  /** Adds an element, which must not be in the set. */
  add(element: Uint8Array): void {
    this.#element.set(this.#core.digest(element));
    this.#wasm.add();
  }

  /** Takes an element away, which must be in the set. */
  remove(element: Uint8Array): void {
    this.#element.set(this.#core.digest(element));
    this.#wasm.subtract();
  }

  /** The lanes, little-endian: what a later `SetHash` goes on from. */
  state(): Buffer {
    this.#wasm.save();
    return Buffer.from(this.#stored);
  }

  /** BLAKE3-256 of the lanes, 32 bytes. */
  digest(): Buffer {
    return this.#core.digest(this.state());
  }
}
