import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileRecords, pattern, SmallSet } from '../support/small-set.js';
import { SET_NODE } from '../../../shared/protocol/records.js';

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
});
afterEach(async () => {
  await set.close();
});

test('digests: no row is longer than 4 KiB, so that a change of one block writes one page (R24)', async () => {
  const content = pattern(300 * 65_536, 5);
  await set.commit(fileRecords({ node: 50, parent: SET_NODE, name: 'large', content }));
  const rows = set.open.store.index.all<{ bytes: number }>(
    'SELECT length(digests) AS bytes FROM digests ORDER BY bytes DESC',
  );
  expect(rows[0]?.bytes).toBe(4096);
  expect(rows.filter(({ bytes }) => bytes === 4096)).toHaveLength(2);
});
