/** Compression of pack records: zstd at its fastest useful level, kept only when it pays. */
import zstd from 'zstd-napi';
import { AfterimageError, messageOf } from '../../shared/errors.js';

const LEVEL = 1;
/** Below this a record is not worth the call. */
const WORTH_BYTES_MIN = 512;

/** The compressed bytes, or undefined when they are not at least a tenth smaller. */
export function compressBytes(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < WORTH_BYTES_MIN) return undefined;
  const compressed = zstd.compress(bytes, { compressionLevel: LEVEL });
  return compressed.length < bytes.length * 0.9 ? compressed : undefined;
}

/** Throws `damaged` when the result is not `rawBytes` long. */
export function decompressBytes(bytes: Uint8Array, rawBytes: number): Buffer {
  let raw: Buffer;
  try {
    raw = zstd.decompress(bytes);
  } catch (error) {
    throw new AfterimageError('damaged', `a compressed record does not open: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (raw.length !== rawBytes) {
    throw new AfterimageError(
      'damaged',
      `a record opens to ${raw.length} bytes instead of ${rawBytes}`,
    );
  }
  return raw;
}
