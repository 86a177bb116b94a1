/** Records and frames of a valid sync made mad. */
import type { SyncRecord } from '../../../shared/protocol/records.js';
import type { Seeded } from '../../support/seeded.js';

/** Leaves out, doubles or swaps records, or gives one the numbers of another. */
export function shuffled(random: Seeded, records: readonly SyncRecord[]): SyncRecord[] {
  const copy = [...records];
  for (let n = 1 + random.below(3); n > 0 && copy.length > 1; n -= 1) {
    const a = random.below(copy.length);
    const b = random.below(copy.length);
    const [first, second] = [copy[a], copy[b]];
    if (first === undefined || second === undefined) continue;
    switch (random.below(4)) {
      case 0:
        copy.splice(a, 1);
        break;
      case 1:
        copy.splice(b, 0, first);
        break;
      case 2:
        copy[a] = second;
        copy[b] = first;
        break;
      default:
        if ('node' in first && 'node' in second) copy[a] = { ...first, node: second.node };
    }
  }
  return copy;
}

export function altered(random: Seeded, body: Buffer): Buffer {
  const copy = Buffer.from(body);
  for (let n = 1 + random.below(3); n > 0; n -= 1) {
    // Mostly in the first bytes of a record's fields, where numbers are.
    const at = random.below(random.chance(0.5) ? Math.min(300, copy.length) : copy.length);
    copy[at] = random.chance(0.3) ? 0xff : (copy[at] ?? 0) ^ (1 << random.below(8));
  }
  return copy;
}
