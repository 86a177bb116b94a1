/** CRC-32C (Castagnoli), sixteen bytes a step from sixteen tables: it guards frames and records. */
import { CRC_TABLES } from './layout';

const POLYNOMIAL: u32 = 0x82f63b78;

export function prepareCrc(): void {
  for (let i: u32 = 0; i < 256; ++i) {
    let crc = i;
    for (let bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
    store<u32>(CRC_TABLES + 4 * i, crc);
  }
  for (let i: u32 = 256; i < 16 * 256; ++i) {
    const before = load<u32>(CRC_TABLES + 4 * (i - 256));
    store<u32>(CRC_TABLES + 4 * i, (before >> 8) ^ load<u32>(CRC_TABLES + 4 * (before & 255)));
  }
}

// @ts-ignore: decorator
@inline
function table(index: usize, byte: u32): u32 {
  return load<u32>(CRC_TABLES + 1024 * index + ((<usize>(byte & 255)) << 2));
}

// @ts-ignore: decorator
@inline
function word(index: usize, four: u32): u32 {
  return (
    table(index + 3, four) ^
    table(index + 2, four >> 8) ^
    table(index + 1, four >> 16) ^
    table(index, four >> 24)
  );
}

/** Continues `seed`, a finished CRC of the bytes before (0 for none). */
export function crc32c(input: usize, length: u32, seed: u32): u32 {
  let crc = ~seed;
  let i: u32 = 0;
  for (; i + 16 <= length; i += 16) {
    const p = input + i;
    crc =
      word(12, load<u32>(p) ^ crc) ^
      word(8, load<u32>(p, 4)) ^
      word(4, load<u32>(p, 8)) ^
      word(0, load<u32>(p, 12));
  }
  for (; i < length; ++i) crc = (crc >> 8) ^ table(0, crc ^ load<u8>(input + i));
  return ~crc;
}
