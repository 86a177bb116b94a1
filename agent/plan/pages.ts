/** Which 4 KiB pages of a block changed, told by 64 bits of each page's place in the BLAKE3 tree. */
import { FINGERPRINT_BYTES, PAGE_BYTES } from '../../shared/limits.js';

/** The fingerprints of one block inside a run of them. */
export interface PagesOfBlock {
  readonly fingerprints: Buffer;
  /** Where the block's sixteen begin, in bytes. */
  readonly from: number;
  /** Bytes of the block. */
  readonly length: number;
}

/**
 * The pages whose fingerprints differ from `before`, bit i for page i; undefined when that is none
 * of them or all: then the block goes whole (R27).
 */
export function changedPages(before: Buffer, after: PagesOfBlock): number | undefined {
  const pages = Math.ceil(after.length / PAGE_BYTES);
  let mask = 0;
  for (let page = 0; page < pages; page += 1) {
    const at = page * FINGERPRINT_BYTES;
    const from = after.from + at;
    const until = from + FINGERPRINT_BYTES;
    if (before.compare(after.fingerprints, from, until, at, at + FINGERPRINT_BYTES) !== 0) {
      mask |= 1 << page;
    }
  }
  return mask === 0 || mask === (1 << pages) - 1 ? undefined : mask;
}

/** The pages of a mask, one after the other. */
export function gatherPages(bytes: Buffer, mask: number): Buffer {
  const parts: Buffer[] = [];
  for (let page = 0; page * PAGE_BYTES < bytes.length; page += 1) {
    if ((mask & (1 << page)) !== 0) {
      parts.push(bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
    }
  }
  return Buffer.concat(parts);
}
