/** A block as the intent knows it. */

/** Mask of a block of which every page is given. */
export const ALL_PAGES = 0xffff;

/** A row of the intent's `block`. `offset` is -1 when the bytes are in `new/<node>`. */
export interface StagedBlock {
  readonly node: number;
  readonly block: number;
  readonly digest: Buffer;
  /** Bytes of the block. */
  readonly bytes: number;
  readonly mask: number;
  readonly offset: number;
  /** Bytes in the pages file. */
  readonly length: number;
}

/** First 48 bits of a digest, for looking blocks up. */
export function digestPrefix(digest: Uint8Array): number {
  return Buffer.from(digest.buffer, digest.byteOffset, 6).readUIntBE(0, 6);
}
