/** Searches that go by a folder's names find what a look at everything finds (promise 2, R28). */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { fileRecords, link, Nodes, pattern, SmallSet, unlink } from '../support/small-set.js';

let set: SmallSet;

beforeEach(async () => {
  set = await SmallSet.create();
  // The folder moves, another file comes to lie in it, and another folder takes its name.
  await set.commit([unlink(SET_NODE, 'folder'), link(SET_NODE, 'moved', Nodes.folder)]);
  const added = { node: 20, parent: Nodes.folder, name: 'late', content: pattern(10, 4) };
  await set.commit(fileRecords(added));
  await set.commit([unlink(SET_NODE, 'moved'), link(SET_NODE, 'folder', Nodes.folder)]);
});

afterEach(async () => {
  await set.close();
});

it.each(['folder/*', '/folder/file', 'moved/l*', 'folder/late', 'folder/none', 'nowhere/*', '*/*'])(
  'find %s: finds what a search of all paths finds, over every range of points',
  (glob) => {
    const reader = new StoredSetReader(set.open.store);
    const wanted = new RegExp(`^${glob.replace(/^\//, '').replaceAll('*', '[^/]*')}$`);
    for (let from = 1; from <= set.point; from += 1) {
      for (let to = from; to <= set.point; to += 1) {
        const range = { from, to, limit: 1000 };
        const all = reader.find({ ...range, glob: '**' });
        const matching = all.filter(({ path }) => wanted.test(path.toString()));
        expect(reader.find({ ...range, glob })).toEqual(matching);
      }
    }
  },
);

it('find folder/late: stands from when the folder came back with it', () => {
  const reader = new StoredSetReader(set.open.store);
  const found = reader.find({ glob: 'folder/late', from: 1, to: set.point, limit: 10 });
  expect(found).toMatchObject([{ from: 5, to: 5, live: true }]);
});
