/**
 * Symbolic links of the base. XFS keeps 1,023 bytes of what a link points to, ext4 with small blocks
 * as many, others 4,095: where a longer one does not fit, the base has its beginning. The whole is in
 * the index, and reads, restores and the digest of a point take it from there.
 */
import fs from 'node:fs';
import { errnoOf } from '../../shared/errors.js';

const BYTES_EVERYWHERE = 1_023;

export function makeBaseLink(at: Buffer, target: Buffer): void {
  try {
    fs.symlinkSync(target, at);
  } catch (error) {
    if (errnoOf(error) !== 'ENAMETOOLONG' || target.length <= BYTES_EVERYWHERE) throw error;
    fs.symlinkSync(target.subarray(0, BYTES_EVERYWHERE), at);
  }
}

/** True when a link of the base is the one that the index says, as far as it may have fitted. */
export function isBaseLink(found: Buffer, target: Buffer): boolean {
  if (found.equals(target)) return true;
  return found.length === BYTES_EVERYWHERE && found.equals(target.subarray(0, BYTES_EVERYWHERE));
}
