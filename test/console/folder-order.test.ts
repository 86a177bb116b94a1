/** Order, filter and type-ahead of a folder's entries. */
import { describe, expect, test } from 'vitest';
import { findTyped, ordered } from '../../console/pages/point/order.js';
import type { ListedNode } from '../../shared/api/tree.js';

function entry(name: string, size: number, mtimeNs: string): ListedNode {
  return { node: 2, kind: 'file', mode: 0o644, uid: 0, gid: 0, size, mtimeNs, born: 1, name };
}

const entries = [
  entry('Alpha', 30, '1800000000000000009'),
  entry('beta', 10, '1800000000000000008'),
  entry('beta two', 20, '-5'),
];
const names = (list: readonly ListedNode[]): string[] => list.map(({ name }) => name);
const all = { filter: '' };

describe('order', () => {
  test('name: as the replica gave them, or the other way round', () => {
    expect(ordered(entries, { ...all, order: { key: 'name', direction: 'up' } })).toBe(entries);
    const down = ordered(entries, { ...all, order: { key: 'name', direction: 'down' } });
    expect(names(down)).toEqual(['beta two', 'beta', 'Alpha']);
  });

  test('modified: tells nanoseconds apart that are one number as doubles', () => {
    const up = ordered(entries, { ...all, order: { key: 'modified', direction: 'up' } });
    expect(names(up)).toEqual(['beta two', 'beta', 'Alpha']);
  });

  test('size and filter: the fitting ones alone, in either case of letters', () => {
    const found = ordered(entries, { filter: 'BETA', order: { key: 'size', direction: 'down' } });
    expect(names(found)).toEqual(['beta two', 'beta']);
  });
});

test('typed: the next name with these first letters, around the end, or none', () => {
  expect(findTyped(entries, { typed: 'b', start: 0 })).toBe(1);
  expect(findTyped(entries, { typed: 'b', start: 2 })).toBe(2);
  expect(findTyped(entries, { typed: 'a', start: 1 })).toBe(0);
  expect(findTyped(entries, { typed: 'z', start: 0 })).toBe(-1);
});
