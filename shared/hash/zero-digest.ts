/** Digests of zeros: zero blocks are never sent or stored, only recognised by their digest. */

import { invariant } from '../errors.js';
import { BLOCK_BYTES } from '../limits.js';
import type { HashCore } from './hash-core.js';

const zeros = new Uint8Array(BLOCK_BYTES);
let fullBlock: Buffer | undefined;

/**
 * Digest of `lengthBytes` zeros, at most a block. That of a full block is computed once and shared: do
 * not write to it.
 */
export function zeroDigest(core: HashCore, lengthBytes: number): Buffer {
  invariant(lengthBytes >= 0 && lengthBytes <= BLOCK_BYTES, `a block of ${lengthBytes} bytes`);
  if (lengthBytes < BLOCK_BYTES) return core.digest(zeros.subarray(0, lengthBytes));
  fullBlock ??= core.digest(zeros);
  return fullBlock;
}
