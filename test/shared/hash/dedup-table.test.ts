/** The dedup table against a Map, through growth, deletion and its bound. */

import { describe, expect, it } from 'vitest';
import { createDedupTable, LOCATOR_MAX } from '../../../shared/hash/dedup-table.js';
import { Seeded } from '../../support/seeded.js';

const MIB = 1024 * 1024;
const keyOf = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

describe('dedup table', () => {
  it.each([61, 62])(
    'answers: equal those of a Map, through growth and deletes, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      const table = createDedupTable({ memoryBytesMax: 64 * MIB });
      const map = new Map<string, number>();
      const digests: Buffer[] = [];
      let wrong = 0;
      for (let step = 0; step < 120_000; step += 1) {
        const known = digests.length > 0 && random.below(10) < 3;
        const digest = known ? digests[random.below(digests.length)] : random.bytes(32);
        if (digest === undefined) throw new Error('no digest');
        const key = keyOf(digest);
        if (known && random.below(2) === 0) {
          if (table.delete(digest) !== map.delete(key)) wrong += 1;
          continue;
        }
        const locator = random.below(2 ** 20) * 2 ** 20 + random.below(2 ** 20 - 1);
        if (table.set(digest, locator) === map.has(key)) wrong += 1;
        map.set(key, locator);
        if (!known) digests.push(digest);
      }
      expect(table.size).toBe(map.size);
      expect(table.memoryBytes).toBeGreaterThan(MIB);
      for (const digest of digests) if (table.get(digest) !== map.get(keyOf(digest))) wrong += 1;
      for (const digest of digests) {
        if (table.delete(digest) !== map.delete(keyOf(digest))) wrong += 1;
      }
      expect(wrong).toBe(0);
      expect(table.size).toBe(0);
    },
  );

  it('answers: stay right where the probing of one segment wraps around its end', () => {
    const random = new Seeded(63);
    const table = createDedupTable({ memoryBytesMax: MIB });
    // Home slots 4,000 to 4,095 only: chains run over the end of the segment.
    const digests = Array.from({ length: 600 }, () => {
      const digest = random.bytes(32);
      digest.writeUInt32LE(4000 + random.below(96), 4);
      return digest;
    });
    for (const [index, digest] of digests.entries()) table.set(digest, index);
    const gone = new Set<number>();
    for (const [index, digest] of digests.entries()) {
      if (random.below(2) === 0) continue;
      expect(table.delete(digest)).toBe(true);
      gone.add(index);
    }
    for (const [index, digest] of digests.entries()) {
      expect(table.get(digest)).toBe(gone.has(index) ? undefined : index);
    }
  });

  it('getMany, setMany: equal single calls, across growth', () => {
    const random = new Seeded(64);
    const table = createDedupTable({ memoryBytesMax: 16 * MIB });
    const count = 30_001;
    const digests = random.bytes(count * 32);
    const locators = Float64Array.from({ length: count }, () => random.below(2 ** 32));
    const at = (index: number): Uint8Array => digests.subarray(32 * index, 32 * index + 32);
    expect(table.setMany(digests.subarray(0, 20_000 * 32), locators)).toBe(20_000);
    expect(table.setMany(digests.subarray(0, 20_010 * 32), locators)).toBe(10);
    const found = new Float64Array(count);
    table.getMany(digests, found);
    expect(found).toEqual(locators.map((locator, index) => (index < 20_010 ? locator : -1)));
    expect(Float64Array.from({ length: count }, (_, index) => table.get(at(index)) ?? -1)).toEqual(
      found,
    );
  });

  it('bound: newer digests take the place of older ones, and no answer is wrong', () => {
    const random = new Seeded(65);
    const bound = 8 * 65_536;
    const table = createDedupTable({ memoryBytesMax: bound });
    const digests = Array.from({ length: 60_000 }, () => random.bytes(32));
    const fresh = digests.filter((digest, index) => table.set(digest, index));
    expect(fresh.length).toBe(digests.length);
    expect(table.memoryBytes).toBe(bound);
    expect(table.size).toBeGreaterThan(24_000);
    expect(table.size).toBeLessThanOrEqual(8 * 3277);
    let known = 0;
    for (const [index, digest] of digests.entries()) {
      const locator = table.get(digest);
      if (locator === undefined) continue;
      if (locator !== index) throw new Error(`digest ${index} answers ${locator}`);
      known += 1;
    }
    expect(known).toBe(table.size);
    const last = digests.at(-1);
    expect(last && table.get(last)).toBe(digests.length - 1);
  });

  it('entriesExpected: lays the table out so that filling it does not grow it', () => {
    const random = new Seeded(66);
    const table = createDedupTable({ memoryBytesMax: 64 * MIB, entriesExpected: 50_000 });
    const before = table.memoryBytes;
    for (let index = 0; index < 50_000; index += 1) table.set(random.bytes(32), index);
    expect(table.memoryBytes).toBe(before);
    expect(before / table.size).toBeLessThan(41);
  });

  it('locators: the largest comes back, larger or broken ones are refused', () => {
    const table = createDedupTable({ memoryBytesMax: MIB });
    const digest = new Seeded(67).bytes(32);
    table.set(digest, LOCATOR_MAX);
    expect(table.get(digest)).toBe(LOCATOR_MAX);
    for (const locator of [LOCATOR_MAX + 1, -1, 0.5, Number.NaN]) {
      expect(() => table.set(digest, locator)).toThrow(
        expect.objectContaining({ code: 'internal' }),
      );
    }
  });
});
