/** Makes hashing cores: the best build that this engine takes, checked before it is trusted. */

import { AfterimageError } from '../errors.js';
import type { HashCore } from './hash-core.js';
import { instantiate, isSupported } from './load-wasm.js';
import { WasmHashCore, type CoreExports } from './wasm-hash-core.js';

export type HashBuild = HashCore['build'];

/** BLAKE3 of 31,744 bytes i modulo 251 (official test vectors): whole groups, odd chunks, parents. */
const CHECK_BYTES = 31_744;
const CHECK_DIGEST = '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47';

/** The builds that this engine takes, the preferred one first. */
export function hashBuilds(): readonly HashBuild[] {
  return isSupported('core-relaxed') ? ['relaxed', 'simd'] : ['simd'];
}

/**
 * A new core with its own 2.2 MiB of memory; synchronous, about a millisecond. One a thread is enough: a
 * core is not re-entrant, but no call of it waits.
 *
 * @param build one of `hashBuilds()`; the preferred one when left out
 * @throws AfterimageError `internal` when the build is missing, refused or computes a wrong digest
 */
export function createHashCore(build?: HashBuild): HashCore {
  const chosen = build ?? hashBuilds()[0] ?? 'simd';
  const core = new WasmHashCore(chosen, instantiate(`core-${chosen}`) as CoreExports);
  const sample = Uint8Array.from({ length: CHECK_BYTES }, (_, index) => index % 251);
  const digest = core.digest(sample).toString('hex');
  if (digest !== CHECK_DIGEST) {
    throw new AfterimageError('internal', `the ${chosen} hash core computes a wrong digest`, {
      facts: { build: chosen, digest },
    });
  }
  return core;
}
