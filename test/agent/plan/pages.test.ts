import { expect, test } from 'vitest';
import { changedPages } from '../../../agent/plan/pages.js';

const prints = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(128);
  values.forEach((value, page) => bytes.writeBigUInt64LE(BigInt(value), page * 8));
  return bytes;
};
const block = (fingerprints: Buffer, length: number) => ({ fingerprints, from: 0, length });

test('pages: those whose fingerprints differ are a mask', () => {
  expect(changedPages(prints(1, 2, 3), block(prints(1, 9, 3), 12_288))).toBe(0b010);
});

test('pages: when none differs although the digest does, or all do, the block goes whole (R27)', () => {
  expect(changedPages(prints(1, 2, 3), block(prints(1, 2, 3), 12_288))).toBeUndefined();
  expect(changedPages(prints(1, 2, 3), block(prints(7, 8, 9), 12_288))).toBeUndefined();
});
