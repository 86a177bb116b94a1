import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { DedupIndex } from '../../../agent/dedup/dedup-index.js';
import type { AgentState } from '../../../agent/state.js';

/** A state whose rows are these: locator → digest. */
function indexOver(rows: ReadonlyMap<number, Buffer>): DedupIndex {
  const digests = {
    holds: (locator: number, digest: Buffer) => rows.get(locator)?.equals(digest) === true,
  };
  return new DedupIndex({ digests } as unknown as AgentState, { memoryBytesMax: 1 << 20 });
}

test('dedup: a hit of the table counts only while the row it names has all 32 bytes (R27)', () => {
  const digest = randomBytes(32);
  const rows = new Map([[7, digest]]);
  const index = indexOver(rows);
  index.add(digest, 7);
  expect(index.has(digest)).toBe(true);
  rows.set(7, randomBytes(32));
  expect(index.has(digest)).toBe(false);
  expect(index.size).toBe(0);
});

test('dedup: a digest with the same first 11 bytes, which are all the table keeps, is another (R27)', () => {
  const digest = randomBytes(32);
  const other = Buffer.concat([digest.subarray(0, 11), randomBytes(21)]);
  const index = indexOver(new Map([[7, digest]]));
  index.add(digest, 7);
  expect(index.has(other)).toBe(false);
});
