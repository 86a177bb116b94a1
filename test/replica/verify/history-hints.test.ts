/** Where older versions of blocks are: found, and bounded. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HistoryHints } from '../../../replica/verify/history-hints.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import { SmallSet } from '../support/small-set.js';

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
  for (let n = 0; n < 3; n += 1) await set.goodSync();
});
afterEach(async () => {
  await set.close();
});

/** How many of the older versions are found. */
async function found(hints: HistoryHints): Promise<number> {
  const { index } = set.open.store;
  await hints.fill({ name: 'model', index }, new TimeSlice());
  const rows = index.all<{ body: number; digest: Buffer }>('SELECT body, digest FROM before');
  const places = rows.map(({ body, digest }) =>
    hints.places({ name: 'model', digest, limit: 8 }).some((place) => place.body === body),
  );
  hints.close();
  return places.filter(Boolean).length;
}

test('history hints: every older version is found, and no more rows are kept than are allowed', async () => {
  expect(await found(new HistoryHints())).toBe(3);
  expect(await found(new HistoryHints({ rowsMax: 2 }))).toBe(2);
});
