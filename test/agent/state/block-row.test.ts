/** Digest rows: what is put in comes out, in as few bytes as it needs. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { BlockRow, digestInRow, eachDigest, ROW_BLOCKS } from '../../../agent/state/block-row.js';

const run = (blocks: number): { digests: Buffer; fingerprints: Buffer } => ({
  digests: randomBytes(32 * blocks),
  fingerprints: randomBytes(128 * blocks),
});

test('block row: digests, pages, zero and forgotten blocks survive being stored', () => {
  const row = new BlockRow();
  const blocks = run(3);
  for (const [from, index] of [0, 4, 15].entries()) row.set(index, { ...blocks, from });
  row.forget(5);
  row.setZero(4);
  const stored = row.encode();
  expect(stored?.length).toBeLessThanOrEqual(4096);
  const again = new BlockRow();
  again.load(stored);
  const states = Array.from({ length: ROW_BLOCKS }, (_, index) => again.state(index));
  expect(states.filter((state) => state === 'known')).toHaveLength(2);
  expect([states[4], states[5], states[15]]).toEqual(['zero', 'forgotten', 'known']);
  expect(again.digest(15)).toEqual(blocks.digests.subarray(64, 96));
  expect(again.fingerprints(15)).toEqual(blocks.fingerprints.subarray(256));
});

test('block row: a row of zeros is not stored, one small block takes little', () => {
  const row = new BlockRow();
  row.setZero(3);
  expect(row.encode()).toBeUndefined();
  const { digests } = run(1);
  const fingerprints = Buffer.alloc(128);
  digests.copy(fingerprints, 0, 0, 8);
  row.set(0, { digests, fingerprints, from: 0 });
  expect(row.encode()).toHaveLength(1 + 32 + 8);
});

test('block row: loading another row leaves nothing of the one before', () => {
  const row = new BlockRow();
  const blocks = run(16);
  for (let index = 0; index < 16; index += 1) row.set(index, { ...blocks, from: index });
  row.load(undefined);
  expect(row.encode()).toBeUndefined();
  expect(row.state(7)).toBe('zero');
});

test('block row: setting the digest it has says so', () => {
  const row = new BlockRow();
  const blocks = run(2);
  expect(row.set(1, { ...blocks, from: 0 })).toBe(true);
  expect(row.set(1, { ...blocks, from: 0 })).toBe(false);
  expect(row.set(1, { ...blocks, from: 1 })).toBe(true);
});

test('block row: stored digests are found by place, zero and forgotten ones are passed over', () => {
  const row = new BlockRow();
  const blocks = run(2);
  row.set(0, { ...blocks, from: 0 });
  row.forget(1);
  row.set(3, { ...blocks, from: 1 });
  const stored = row.encode() ?? Buffer.alloc(0);
  expect(digestInRow(stored, 3)).toEqual(blocks.digests.subarray(32));
  expect(digestInRow(stored, 9)).toBeUndefined();
  const seen: number[] = [];
  eachDigest(stored, (_, index) => seen.push(index));
  expect(seen).toEqual([0, 3]);
});
