/** Seeded inputs for the hash core: with structure, and of lengths where mistakes would show. */

import type { Seeded } from '../../support/seeded.js';

/** Stretches of zeros, of repeats and of noise. */
export function mixedBytes(random: Seeded, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const stretch = Math.min(length - at, 1 + random.below(8192));
    const kind = random.below(3);
    if (kind === 1) bytes.fill(random.bytes(1 + random.below(9)), at, at + stretch);
    if (kind === 2) random.bytes(stretch).copy(bytes, at);
    at += stretch;
  }
  return bytes;
}

/** At most `bound`; as often near the edges of chunks, pages, blocks and batches as anywhere. */
export function someLength(random: Seeded, bound: number): number {
  if (random.below(2) === 0) return random.below(bound + 1);
  const unit = random.pick([64, 1024, 4096, 65_536, 1_048_576].filter((size) => size <= bound));
  const near = unit * (1 + random.below(Math.floor(bound / unit))) + random.below(3) - 1;
  return Math.min(bound, near);
}
