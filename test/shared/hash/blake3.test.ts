/** BLAKE3 of the core against the official vectors and a plain implementation, on every build. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildsUnderTest } from './builds.js';
import { blake3, fingerprints } from './reference/blake3.js';
import { Seeded } from '../../support/seeded.js';
import { someLength } from './samples.js';

interface Vectors {
  readonly key: string;
  readonly cases: readonly { length: number; hash: string; keyed: string }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('./vectors.json', import.meta.url), 'utf8'),
) as Vectors;
const BLOCK_BYTES = 65_536;

describe('plain BLAKE3', () => {
  it.each(vectors.cases)(
    'digest: equals the official vector, for $length bytes',
    ({ length, hash, keyed }) => {
      const input = Uint8Array.from({ length }, (_, index) => index % 251);
      expect(blake3(input).toString('hex')).toBe(hash);
      expect(blake3(input, Buffer.from(vectors.key)).toString('hex')).toBe(keyed);
    },
  );
});

describe.each(buildsUnderTest)('hash core ($build)', ({ missing, core }) => {
  it.skipIf(missing).each(vectors.cases)(
    'digest: equals the official vector, for $length bytes',
    ({ length, hash, keyed }) => {
      const input = Uint8Array.from({ length }, (_, index) => index % 251);
      expect(core().digest(input).toString('hex')).toBe(hash);
      expect(core().keyedDigest(Buffer.from(vectors.key), input).toString('hex')).toBe(keyed);
    },
  );

  it.skipIf(missing).each([1, 2, 3])(
    'digest: equals plain BLAKE3, keyed and not, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let round = 0; round < 15; round += 1) {
        const input = random.bytes(someLength(random, 150_000));
        const key = random.bytes(32);
        expect(core().digest(input), `${input.length} bytes`).toEqual(blake3(input));
        expect(core().keyedDigest(key, input)).toEqual(blake3(input, key));
      }
    },
  );

  it.skipIf(missing).each([-1, 0, 1, 1024, 700_001])(
    'digest: equals plain BLAKE3, for %i bytes more than whole batches',
    (more) => {
      const random = new Seeded(more);
      for (const batches of more === 0 ? [1, 3] : [2]) {
        const input = random.bytes(batches * core().batchBytes + more);
        expect(core().digest(input)).toEqual(blake3(input));
      }
    },
  );

  it.skipIf(missing).each([4, 5, 6, 7])(
    'digestBlocks: digests and fingerprints equal those of each block alone, under seed %i',
    (seed) => {
      const random = new Seeded(seed);
      for (let round = 0; round < 12; round += 1) {
        const input = random.bytes(someLength(random, 4 * BLOCK_BYTES));
        const found = core().digestBlocks(input);
        const blocks = Array.from({ length: Math.ceil(input.length / BLOCK_BYTES) }, (_, block) =>
          input.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES),
        );
        expect(Buffer.from(found.digests), `${input.length} bytes`).toEqual(
          Buffer.concat(blocks.map((block) => blake3(block))),
        );
        expect(Buffer.from(found.fingerprints), `${input.length} bytes`).toEqual(
          Buffer.concat(blocks.map(fingerprints)),
        );
      }
    },
  );

  it.skipIf(missing)('digestBlocks: every length of a block near a chunk edge is right', () => {
    const bytes = new Seeded(8).bytes(BLOCK_BYTES);
    // Every edge up to five pages, where the tree changes shape, then those of pages.
    for (let edge = 0; edge <= BLOCK_BYTES; edge += edge < 20_480 ? 1024 : 4096) {
      for (const length of [edge - 1, edge, edge + 1]) {
        if (length < 1 || length > BLOCK_BYTES) continue;
        const block = bytes.subarray(0, length);
        const found = core().digestBlocks(block);
        expect(Buffer.from(found.digests), `${length} bytes`).toEqual(blake3(block));
        expect(Buffer.from(found.fingerprints), `${length} bytes`).toEqual(fingerprints(block));
      }
    }
  });

  it.skipIf(missing)(
    'digestBatch: a whole batch equals its blocks, whatever lies behind it',
    () => {
      const random = new Seeded(9);
      const batch = core().batchBuffer();
      const input = random.bytes(batch.length);
      batch.set(input);
      const whole = core().digestBatch(batch.length);
      const digests = Buffer.from(whole.digests);
      const prints = Buffer.from(whole.fingerprints);
      expect(digests.length).toBe(16 * 32);
      for (let block = 0; block < 16; block += 1) {
        const bytes = input.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
        expect(digests.subarray(32 * block, 32 * block + 32)).toEqual(blake3(bytes));
        expect(prints.subarray(128 * block, 128 * block + 128)).toEqual(fingerprints(bytes));
      }
      const short = core().digestBatch(BLOCK_BYTES + 5000);
      expect(Buffer.from(short.digests)).toEqual(
        Buffer.concat([
          digests.subarray(0, 32),
          blake3(input.subarray(BLOCK_BYTES, BLOCK_BYTES + 5000)),
        ]),
      );
      expect(core().digestBatch(0).digests.length).toBe(0);
    },
  );
});
