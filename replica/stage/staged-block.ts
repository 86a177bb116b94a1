/** A block as the intent knows it. */
import type { IndexDb } from '../index/index-db.js';
import { paged } from '../index/paged.js';

/** Mask of a block of which every page is given. */
export const ALL_PAGES = 0xffff;

/** `offset` of a block that lies in `new/<node>` with others, or did. */
export const IN_NEW_FILE = -1;
/** `offset` of a block that `new/<node>` holds and nothing else: the file has its length. */
export const IS_NEW_FILE = -2;

/** A row of the intent's `block`. `offset` is negative when the bytes are in `new/<node>`. */
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

/** Blocks of a node that the sync gives content, ascending. */
export function stagedBlocks(intent: IndexDb, node: number): Generator<StagedBlock> {
  return paged<StagedBlock>(intent, {
    sql: `SELECT node, block, digest, bytes, mask, offset, length FROM block
          WHERE node = ? AND block > ? ORDER BY block LIMIT ?`,
    start: [node, -1],
    cursorOf: ({ block }) => [node, block],
  });
}
