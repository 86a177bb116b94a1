/**
 * Content-defined boundaries: FastCDC with normalised chunk sizes, two bytes a step.
 *
 * Xia et al., "The Design of Fast Content-Defined Chunking", 2020. The two-byte step tests the same
 * condition after each byte as a one-byte step does: the first test of a pair is one bit further left.
 */
import { CHUNK_MIN_BYTES, ENDS, GEAR } from './layout';

const GEAR_SHIFTED: usize = GEAR + 8 * 256;

/** 256 pseudo-random words (SplitMix64 from 0): a fixed part of the format of boundaries. */
export function prepareGear(): void {
  let state: u64 = 0;
  for (let i: usize = 0; i < 256; ++i) {
    state += 0x9e3779b97f4a7c15;
    let z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    store<u64>(GEAR + 8 * i, z);
    store<u64>(GEAR_SHIFTED + 8 * i, z << 1);
  }
}

/** `bits` ones below the topmost bit, which the first test of a pair shifts out. */
function maskOf(bits: u32): u64 {
  return (((<u64>1) << bits) - 1) << (63 - bits);
}

/**
 * Where the gear hash that starts at `from` first has no bit of `mask`, after reading a byte below `to`;
 * 0 when nowhere. `hash` is what was read so far of this chunk.
 */
let hash: u64 = 0;
function scan(input: usize, from: u32, to: u32, mask: u64): u32 {
  const maskShifted = mask << 1;
  let fingerprint = hash;
  let i = from;
  for (; i + 2 <= to; i += 2) {
    const pair = load<u16>(input + i);
    fingerprint = (fingerprint << 2) + load<u64>(GEAR_SHIFTED + 8 * <usize>(pair & 255));
    if ((fingerprint & maskShifted) == 0) return i + 1;
    fingerprint += load<u64>(GEAR + 8 * <usize>(pair >> 8));
    if ((fingerprint & mask) == 0) return i + 2;
  }
  if (i < to) {
    fingerprint = (fingerprint << 1) + load<u64>(GEAR + 8 * <usize>load<u8>(input + i));
    if ((fingerprint & mask) == 0) return i + 1;
  }
  hash = fingerprint;
  return 0;
}

/**
 * Ends of chunks → ENDS; how many. Below `average` a boundary needs two bits more than log2(average),
 * from there on two fewer. Unless `final`, what may go on past the end is left to the caller.
 */
export function boundaries(
  input: usize,
  length: u32,
  min: u32,
  average: u32,
  max: u32,
  averageBits: u32,
  final: bool,
): u32 {
  if (min < CHUNK_MIN_BYTES) return 0;
  const maskStrict = maskOf(averageBits + 2);
  const maskLoose = maskOf(averageBits - 2);
  let count: u32 = 0;
  let start: u32 = 0;
  while (start < length) {
    const limit = length - start > max ? start + max : length;
    let end: u32 = 0;
    if (length - start > min) {
      hash = 0;
      const normal = limit - start > average ? start + average : limit;
      end = scan(input, start + min, normal, maskStrict);
      if (end == 0) end = scan(input, normal, limit, maskLoose);
    }
    if (end == 0) end = limit;
    if (end == length && !final) break;
    store<u32>(ENDS + 4 * count, end);
    ++count;
    start = end;
  }
  return count;
}
