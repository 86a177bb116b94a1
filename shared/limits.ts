/** Sizes that both sides must agree on. Changing one changes a format version. */

/** Unit of identity, integrity and dedup: 64 KiB of a file at an aligned offset. */
export const BLOCK_BYTES = 65_536;
/** Unit of change and of transfer inside a block. */
export const PAGE_BYTES = 4_096;
export const PAGES_PER_BLOCK = 16;
export const DIGEST_BYTES = 32;
/** First bytes of a page's BLAKE3 chaining value (or digest, R27), kept beside a block's digest. */
export const FINGERPRINT_BYTES = 8;

/** Longest name of one entry, in bytes (Linux NAME_MAX). */
export const NAME_BYTES_MAX = 255;
/** Longest symbolic link target, in bytes (Linux PATH_MAX, which counts a zero byte). */
export const TARGET_BYTES_MAX = 4_095;
/** Largest extended attribute set of one node, in bytes, as encoded. */
export const XATTRS_BYTES_MAX = 128 * 1024;
/** Largest file, in bytes: block numbers are 32 bits. */
export const FILE_BYTES_MAX = BLOCK_BYTES * 0xffff_ffff;

/** A frame is shipped when its records reach this many bytes, or after `FRAME_DELAY_MS`. */
export const FRAME_TARGET_BYTES = 256 * 1024;
export const FRAME_DELAY_MS = 5;
/** No message on the data plane is larger, sealed and with its header. */
export const FRAME_BYTES_MAX = 1024 * 1024;

/** Blocks of a file of `size` bytes. */
export function blockCount(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}

/** Bytes of block `block` of a file of `size` bytes; 0 past the end. */
export function blockLength(size: number, block: number): number {
  return Math.max(0, Math.min(BLOCK_BYTES, size - block * BLOCK_BYTES));
}
