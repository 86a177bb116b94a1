/** The contract of the hashing core: what `assembly/` offers to TypeScript. */

/** Digests and page fingerprints of a run of blocks, reused between calls by the caller. */
export interface BlockDigests {
  /** 32 bytes a block. */
  readonly digests: Uint8Array;
  /** 128 bytes a block: sixteen 8-byte page fingerprints; zeros past the end of a short block. */
  readonly fingerprints: Uint8Array;
}

export interface HashCore {
  readonly build: 'simd' | 'relaxed';
  /** BLAKE3-256 of `bytes` (any length). A new 32-byte array. */
  digest(bytes: Uint8Array): Buffer;
  /** Keyed BLAKE3-256; `key` is 32 bytes. */
  keyedDigest(key: Uint8Array, bytes: Uint8Array): Buffer;
  /**
   * `length` bytes of core memory into which files are read directly, so that hashing copies
   * nothing. At most `batchBytes`. Valid until the next call that takes a batch buffer.
   */
  readonly batchBytes: number;
  batchBuffer(): Uint8Array;
  /**
   * Digests of the 64 KiB blocks of the first `length` bytes of `batchBuffer()`; the last block may
   * be short. Results are views of core memory, valid until the next call.
   */
  digestBatch(length: number): BlockDigests;
  /** The same for bytes that are elsewhere (copied in). `bytes.length` ≤ `batchBytes`. */
  digestBlocks(bytes: Uint8Array): BlockDigests;
  /** True when every byte is zero. */
  isZero(bytes: Uint8Array): boolean;
  /**
   * Content-defined boundaries (FastCDC, normalised) of `bytes` (≤ `batchBytes`): the ends of the
   * chunks, ascending; the last end is `bytes.length` only when `final`.
   */
  boundaries(bytes: Uint8Array, sizes: ChunkSizes, final: boolean): Uint32Array;
  /** Estimated entropy in bits per byte (0–8) from a 4 KiB sample; for deciding to compress. */
  entropy(bytes: Uint8Array): number;
  /** CRC-32C of `bytes`, continuing from `seed` (0 to start). */
  crc32c(bytes: Uint8Array, seed?: number): number;
}

export interface ChunkSizes {
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
}

/** Digest → 40-bit locator. Hits are hints (R27): the caller compares 32 bytes. */
export interface DedupTable {
  readonly size: number;
  get(digest: Uint8Array): number | undefined;
  /** True when the digest was new. An existing digest takes the new locator. */
  set(digest: Uint8Array, locator: number): boolean;
  delete(digest: Uint8Array): boolean;
}
