/**
 * Compression of a frame's body with zstd, when a look at the bytes says that it pays. Bytes that are
 * already compressed or encrypted cost more to try than they give.
 */
import zstd from 'zstd-napi/binding.js';
import { countStage, Stage } from '../stages.js';
import { malformed } from './bytes.js';

/** Bits per byte above which the sample counts as not compressible. */
export const DENSE_BITS = 7.2;
const SAMPLE_BYTES = 1024;
const SAMPLE_RUNS = 8;
/** Shorter bodies travel as they are: there is nothing to gain. */
export const COMPRESS_BYTES_MIN = 256;

const compressor = new zstd.CCtx();
const decompressor = new zstd.DCtx();
let scratch = Buffer.allocUnsafe(0);

/** The body as one zstd frame, or undefined when it travels better as it is. A new buffer. */
export function compressBody(raw: Uint8Array, level = 1): Buffer | undefined {
  if (raw.length < COMPRESS_BYTES_MIN || sampledEntropy(raw) > DENSE_BITS) return undefined;
  return compressAt(raw, level);
}

/** The same without a look at the bytes first. Levels are zstd's, 1 to 19. */
export function compressAt(raw: Uint8Array, level: number): Buffer | undefined {
  const start = performance.now();
  const bound = zstd.compressBound(raw.length);
  if (scratch.length < bound) scratch = Buffer.allocUnsafe(bound);
  const length = compressor.compress(scratch, raw, level);
  countStage(Stage.compress, start, raw.length);
  if (length > raw.length - (raw.length >>> 4)) return undefined;
  return Buffer.from(scratch.subarray(0, length));
}

/**
 * Throws `frame-malformed` unless `body` is one zstd frame of exactly `rawLength` bytes. They are
 * written into `raw`, of this length.
 */
export function decompressBody(
  body: Uint8Array,
  rawLength: number,
  raw: Buffer = Buffer.allocUnsafe(rawLength),
): Buffer {
  const start = performance.now();
  let length: number;
  try {
    if (zstd.getFrameContentSize(body) !== rawLength) throw malformed('a body of another length');
    length = decompressor.decompress(raw, body);
  } catch (cause) {
    throw malformed('a body that does not decompress', cause);
  }
  if (length !== rawLength) throw malformed(`a body of ${length} bytes, ${rawLength} were said`);
  countStage(Stage.decompress, start, rawLength);
  return raw;
}

/** n·log2(n), for the counts that a sample can hold. */
const weights = Float64Array.from({ length: SAMPLE_BYTES + 1 }, (_, n) =>
  n === 0 ? 0 : n * Math.log2(n),
);
const counts = new Uint16Array(256);

/** Shannon entropy, in bits per byte, of eight runs spread over `bytes`: 1 KiB in all. */
export function sampledEntropy(bytes: Uint8Array): number {
  counts.fill(0);
  const run = Math.min(SAMPLE_BYTES / SAMPLE_RUNS, Math.ceil(bytes.length / SAMPLE_RUNS));
  const step = Math.max(run, Math.floor(bytes.length / SAMPLE_RUNS));
  let total = 0;
  for (let start = 0; start < bytes.length && total < SAMPLE_BYTES; start += step) {
    const end = Math.min(bytes.length, start + run);
    for (let index = start; index < end; index += 1) {
      const byte = bytes[index] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
    total += end - start;
  }
  if (total === 0) return 0;
  let weight = 0;
  for (let byte = 0; byte < 256; byte += 1) weight += weights[counts[byte] ?? 0] ?? 0;
  return Math.log2(total) - weight / total;
}
