/** BLAKE3 of the core against the official vectors, on every build that the engine takes. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createHashCore, hashBuilds } from '../../../shared/hash/create-hash-core.js';

interface Vectors {
  readonly key: string;
  readonly cases: readonly { length: number; hash: string; keyed: string }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('./vectors.json', import.meta.url), 'utf8'),
) as Vectors;

describe.each(['simd', 'relaxed'] as const)('hash core (%s)', (build) => {
  const supported = hashBuilds().includes(build);
  if (!supported) console.info(`skipped: this engine does not take the ${build} build`);

  it.skipIf(!supported).each(vectors.cases)(
    'digest: equals the official vector, for $length bytes',
    ({ length, hash, keyed }) => {
      const core = createHashCore(build);
      const input = Uint8Array.from({ length }, (_, index) => index % 251);
      expect(core.digest(input).toString('hex')).toBe(hash);
      expect(core.keyedDigest(Buffer.from(vectors.key), input).toString('hex')).toBe(keyed);
    },
  );
});
