/** Two questions about bytes that save work later: are they all zero, and would they compress? */
import { COUNTS, LOGARITHMS } from './layout';

/** The sample is sixteen runs of 256 bytes, spread evenly from the first byte to the last. */
const SAMPLE_BYTES: u32 = 4096;
const RUNS: u32 = 16;
const RUN_BYTES: u32 = SAMPLE_BYTES / RUNS;

export function isZero(input: usize, length: u32): bool {
  let i: u32 = 0;
  for (; i + 64 <= length; i += 64) {
    const p = input + i;
    const some = v128.or(
      v128.or(v128.load(p), v128.load(p, 16)),
      v128.or(v128.load(p, 32), v128.load(p, 48)),
    );
    if (v128.any_true(some)) return false;
  }
  for (; i < length; ++i) {
    if (load<u8>(input + i) != 0) return false;
  }
  return true;
}

export function prepareLogarithms(): void {
  store<f64>(LOGARITHMS, 0);
  for (let n: u32 = 1; n <= SAMPLE_BYTES; ++n) {
    store<f64>(LOGARITHMS + 8 * n, <f64>n * Math.log2(<f64>n));
  }
}

// @ts-ignore: decorator
@inline
function increment(place: usize): void {
  store<u32>(place, load<u32>(place) + 1);
}

/** `length` is a multiple of 4, except for an input shorter than the sample. */
function count(input: usize, length: u32): void {
  let i: u32 = 0;
  for (; i + 4 <= length; i += 4) {
    const four = load<u32>(input + i);
    increment(COUNTS + ((four & 255) << 2));
    increment(COUNTS + 1024 + (((four >> 8) & 255) << 2));
    increment(COUNTS + 2048 + (((four >> 16) & 255) << 2));
    increment(COUNTS + 3072 + ((four >> 24) << 2));
  }
  for (; i < length; ++i) increment(COUNTS + ((<usize>load<u8>(input + i)) << 2));
}

/** Shannon entropy of the sample's bytes, in bits per byte; 0 for no bytes. */
export function entropy(input: usize, length: u32): f64 {
  if (length == 0) return 0;
  memory.fill(COUNTS, 0, 4096);
  let sampled = length;
  if (length <= SAMPLE_BYTES) {
    count(input, length);
  } else {
    sampled = SAMPLE_BYTES;
    const spread = <u64>(length - RUN_BYTES);
    for (let run: u32 = 0; run < RUNS; ++run) {
      count(input + <u32>((spread * run) / (RUNS - 1)), RUN_BYTES);
    }
  }
  let sum: f64 = 0;
  for (let place: usize = COUNTS; place < COUNTS + 1024; place += 4) {
    const seen =
      load<u32>(place) + load<u32>(place, 1024) + load<u32>(place, 2048) + load<u32>(place, 3072);
    sum += load<f64>(LOGARITHMS + 8 * seen);
  }
  const total = <f64>sampled;
  return (load<f64>(LOGARITHMS + 8 * sampled) - sum) / total;
}
