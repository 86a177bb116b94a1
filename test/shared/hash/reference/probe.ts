/** CRC-32C bit by bit, and the entropy of the sample that the core's contract describes. */

export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** Sixteen runs of 256 bytes from the first byte to the last; all bytes of a shorter input. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= 4096) return bytes;
  const runs = Array.from({ length: 16 }, (_, run) => {
    const from = Math.floor(((bytes.length - 256) * run) / 15);
    return bytes.subarray(from, from + 256);
  });
  return Buffer.concat(runs);
}

export function entropy(bytes: Uint8Array): number {
  const sample = sampleOf(bytes);
  const counts = new Map<number, number>();
  for (const byte of sample) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) {
    const share = count / sample.length;
    bits -= share * Math.log2(share);
  }
  return bits;
}
