import { expect, test } from 'vitest';
import { ownedWith } from '../../../replica/catalog/set-owners.js';

const sets = [
  { agent: 'web', set: 'shop' },
  { agent: 'mail', set: 'boxes' },
  { agent: 'web', set: 'images' },
];

test("set owners: a set is served by its agent's sets and by no other's (R21)", () => {
  expect(ownedWith(sets, 'shop')).toEqual(['shop', 'images']);
  expect(ownedWith(sets, 'boxes')).toEqual(['boxes']);
});
