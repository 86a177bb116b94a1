/** What the core offers beside BLAKE3, on every build, against plain implementations. */

import { describe, expect, it } from 'vitest';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import type { ChunkSizes } from '../../../shared/hash/hash-core.js';
import { zeroDigest } from '../../../shared/hash/zero-digest.js';
import { buildsUnderTest } from './builds.js';
import { blake3 } from './reference/blake3.js';
import { boundaries } from './reference/fastcdc.js';
import { crc32c, entropy } from './reference/probe.js';
import { Seeded } from '../../support/seeded.js';
import { mixedBytes, someLength } from './samples.js';

const BLOCK_BYTES = 65_536;

function sizesOf(random: Seeded): ChunkSizes {
  const minBytes = 64 + random.below(1000);
  const averageBytes = minBytes + 1 + random.below(4000);
  return { minBytes, averageBytes, maxBytes: averageBytes + 1 + random.below(9000) };
}

describe.each(buildsUnderTest)('hash core ($build)', ({ missing, core }) => {
  it.skipIf(missing).each([11, 12, 13])(
    'boundaries: equal plain FastCDC, final and not, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let round = 0; round < 8; round += 1) {
        const bytes = mixedBytes(random, random.below(60_000));
        const sizes = sizesOf(random);
        const label = `${bytes.length} bytes, ${JSON.stringify(sizes)}`;
        for (const final of [true, false]) {
          const ends = [...core().boundaries(bytes, sizes, final)];
          expect(ends, label).toEqual(boundaries(bytes, sizes, final));
        }
      }
    },
  );

  it.skipIf(missing)('boundaries: do not depend on where a stream is cut into calls', () => {
    const random = new Seeded(14);
    const sizes = { minBytes: 512, averageBytes: 2048, maxBytes: 8192 };
    const bytes = mixedBytes(random, 300_000);
    const whole = [...core().boundaries(bytes, sizes, true)];
    const pieced: number[] = [];
    let start = 0;
    let given = 0;
    while (given < bytes.length) {
      given = Math.min(bytes.length, given + 1 + random.below(50_000));
      const ends = core().boundaries(bytes.subarray(start, given), sizes, given === bytes.length);
      const base = start;
      pieced.push(...Array.from(ends, (end) => base + end));
      start = pieced.at(-1) ?? 0;
    }
    expect(pieced).toEqual(whole);
  });

  it.skipIf(missing)('boundaries: bytes put in front move few chunks of noise', () => {
    const random = new Seeded(15);
    const sizes = { minBytes: 2048, averageBytes: 8192, maxBytes: 32_768 };
    const bytes = random.bytes(900_000);
    const chunksOf = (all: Uint8Array): Set<string> => {
      let from = 0;
      const ends = core().boundaries(all, sizes, true);
      return new Set(
        Array.from(ends, (end) => {
          const chunk = core().digest(all.subarray(from, end)).toString('hex');
          from = end;
          return chunk;
        }),
      );
    };
    const before = chunksOf(bytes);
    const after = chunksOf(Buffer.concat([random.bytes(100), bytes]));
    const fresh = [...after].filter((chunk) => !before.has(chunk));
    expect(before.size).toBeGreaterThan(60);
    expect(fresh.length).toBeLessThanOrEqual(4);
  });

  it.skipIf(missing).each([21, 22])(
    'isZero: finds the one byte that is not zero, wherever it is, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let round = 0; round < 40; round += 1) {
        const bytes = Buffer.alloc(1 + someLength(random, 200_000));
        expect(core().isZero(bytes)).toBe(true);
        const place = random.below(bytes.length);
        bytes[place] = 1 + random.below(255);
        expect(core().isZero(bytes), `byte ${place} of ${bytes.length}`).toBe(false);
        expect(core().isZero(bytes.subarray(0, place))).toBe(true);
        expect(core().isZero(bytes.subarray(place + 1))).toBe(true);
      }
    },
  );

  it.skipIf(missing).each([31, 32])(
    'entropy: equals the sample’s, inside the batch and outside, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let round = 0; round < 30; round += 1) {
        const bytes = mixedBytes(random, 1 + someLength(random, 150_000));
        const expected = entropy(bytes);
        expect(core().entropy(bytes)).toBeCloseTo(expected, 9);
        const batch = core().batchBuffer();
        batch.set(bytes);
        expect(core().entropy(batch.subarray(0, bytes.length))).toBeCloseTo(expected, 9);
      }
      expect(core().entropy(new Uint8Array(0))).toBe(0);
      expect(core().entropy(random.bytes(BLOCK_BYTES))).toBeGreaterThan(7.9);
    },
  );

  it.skipIf(missing).each([41, 42])(
    'crc32c: equals the bitwise one, also continued from a seed, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let round = 0; round < 30; round += 1) {
        const bytes = random.bytes(someLength(random, 20_000));
        const cut = random.below(bytes.length + 1);
        expect(core().crc32c(bytes)).toBe(crc32c(bytes));
        const first = core().crc32c(bytes.subarray(0, cut));
        expect(core().crc32c(bytes.subarray(cut), first)).toBe(crc32c(bytes));
      }
      expect(core().crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
      const long = random.bytes(core().batchBytes + 777);
      expect(core().crc32c(long)).toBe(crc32c(long));
    },
  );

  it.skipIf(missing)('batchBuffer: other calls leave its bytes alone', () => {
    const random = new Seeded(51);
    const batch = core().batchBuffer();
    const bytes = random.bytes(batch.length);
    batch.set(bytes);
    const other = random.bytes(batch.length);
    core().digest(other);
    core().digestBlocks(other);
    core().entropy(other);
    core().crc32c(other);
    core().isZero(Buffer.alloc(100_000));
    core().boundaries(other, { minBytes: 64, averageBytes: 256, maxBytes: 1024 }, true);
    expect(Buffer.compare(batch, bytes)).toBe(0);
    expect(core().digest(batch.subarray(100, 5100))).toEqual(blake3(bytes.subarray(100, 5100)));
  });
});

describe('createHashCore', () => {
  it('instances: have nothing in common', () => {
    const one = createHashCore();
    const two = createHashCore();
    one.batchBuffer().fill(1);
    two.batchBuffer().fill(2);
    const found = one.digestBatch(BLOCK_BYTES).digests;
    two.digestBatch(BLOCK_BYTES);
    expect(Buffer.from(found)).toEqual(blake3(Buffer.alloc(BLOCK_BYTES, 1)));
  });

  it('wrong arguments: are refused as defects of ours', () => {
    const core = createHashCore();
    const tooMuch = new Uint8Array(core.batchBytes + 1);
    const refused = { code: 'internal' };
    expect(() => core.digestBlocks(tooMuch)).toThrow(expect.objectContaining(refused));
    expect(() => core.digestBatch(tooMuch.length)).toThrow(expect.objectContaining(refused));
    expect(() => core.keyedDigest(new Uint8Array(31), tooMuch)).toThrow(
      expect.objectContaining(refused),
    );
    const sizes = { minBytes: 4096, averageBytes: 1024, maxBytes: 8192 };
    expect(() => core.boundaries(new Uint8Array(9), sizes, true)).toThrow(
      expect.objectContaining(refused),
    );
  });

  it.each([0, 1, 4096, 65_535, 65_536])(
    'zeroDigest: is the digest of zeros, for %i bytes',
    (length) => {
      expect(zeroDigest(createHashCore(), length)).toEqual(blake3(new Uint8Array(length)));
    },
  );
});
