/**
 * The core's memory: fixed places, fixed size, one memory an instance. Nothing is allocated and the
 * memory never grows, so views that TypeScript holds stay valid for the instance's life.
 */

/** The most bytes that one call takes: larger batches fall out of the second-level cache. */
export const BATCH_BYTES: u32 = 1 << 20;
export const BLOCK_BYTES: u32 = 1 << 16;
export const CHUNK_BYTES: u32 = 1 << 10;
export const BLOCKS_PER_BATCH: u32 = BATCH_BYTES / BLOCK_BYTES;
/** The smallest chunk that boundaries() may be asked for; bounds the number of ends. */
export const CHUNK_MIN_BYTES: u32 = 64;

/** Where files are read into. */
export const BATCH: usize = memory.data(1 << 20, 64);
/** Where bytes from elsewhere are copied to, so that a batch under way is left alone. */
export const STAGING: usize = memory.data(1 << 20, 64);
/** Chaining values of one batch: 1,024 of 32 bytes, and room for three idle lanes. */
export const VALUES: usize = memory.data(32 * 1024 + 128, 64);
/** Chaining values of whole batches of a long input; 2^54 chunks at most, 2^10 a batch. */
export const STACK: usize = memory.data(32 * 46, 64);
/** Sixteen 32-byte digests; digest() leaves its one here too. */
export const DIGESTS: usize = memory.data(32 * 16, 64);
/** Sixteen times sixteen 8-byte fingerprints. */
export const FINGERPRINTS: usize = memory.data(128 * 16, 64);
/** The key of keyedDigest(). */
export const KEY: usize = memory.data(32, 64);
/** The initial value, which is the key of unkeyed digests. */
export const IV: usize = memory.data<u32>(
  [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
  64,
);
/** A short chunk, its last block padded with zeros. */
export const PADDED: usize = memory.data(1024, 64);
export const ROTATE_MASKS: usize = memory.data<u8>(
  [
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13,
    14, 15, 12,
  ],
  64,
);
/** Ends of chunks, 4 bytes each. */
export const ENDS: usize = memory.data(4 * (1 << 14), 64);
/** 256 gear values of 8 bytes, then the same shifted left by one. */
export const GEAR: usize = memory.data(2 * 8 * 256, 64);
/** Sixteen CRC tables of 256 words. */
export const CRC_TABLES: usize = memory.data(16 * 4 * 256, 64);
/** Four histograms of 256 counts, so that runs of one byte do not wait for themselves. */
export const COUNTS: usize = memory.data(4 * 4 * 256, 64);
/** n·log2(n) for n of 0 to 4,096. */
export const LOGARITHMS: usize = memory.data(8 * 4097, 64);
/** Two states of sixteen vectors, then their messages: where hash8 keeps what registers cannot. */
export const STREAMS: usize = memory.data(4 * 256, 64);
