/** New nodes are cut many at a time; what they become in the index is what one by one gave. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { storedDigest } from '../../../replica/certify/point-digest.js';
import { recomputeDigests } from '../../../replica/certify/recompute.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import { core, fileRecords, link, nodeRecord, pattern, SmallSet } from '../support/small-set.js';

const BLOCK = 65_536;
let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
});
afterEach(async () => {
  await set.close();
});

/** More nodes than are kept back, of all sizes on both sides of what is cut together. */
function manyNew(): SyncRecord[] {
  const sizes = [1, 4096, BLOCK, BLOCK + 1, 8 * BLOCK, 8 * BLOCK + 5, 0, 130];
  const records: SyncRecord[] = [];
  for (let node = 100; node < 700; node += 1) {
    const parent = SET_NODE;
    const name = `n${node}`;
    if (node % 50 === 7) {
      records.push(nodeRecord({ node, kind: 'folder' }), link(parent, name, node));
    } else if (node % 50 === 9) {
      records.push(nodeRecord({ node, size: 3 * BLOCK }));
      records.push({ type: 'zero', node, block: 0, count: 3 }, link(parent, name, node));
    } else if (node % 50 === 11) {
      const bytes = pattern(BLOCK, node);
      records.push(nodeRecord({ node, size: 3 * BLOCK }));
      records.push({ type: 'zero', node, block: 0, count: 2 });
      records.push({ type: 'block', node, block: 2, digest: core.digest(bytes), bytes });
      records.push(link(parent, name, node));
    } else if (node % 50 === 13) {
      // Never given a name: none of it is in the point.
      records.push(...fileRecords({ node, parent, name, content: pattern(99, node) }).slice(0, -1));
    } else {
      const size = sizes[node % 20 === 0 ? (node / 20) % sizes.length : node % 2] ?? 0;
      records.push(...fileRecords({ node, parent, name, content: pattern(size, node) }));
    }
  }
  return records;
}

test('cut: a point of many new nodes has the digest that its rows have from scratch (R26)', async () => {
  await set.commit(manyNew());
  const { index } = set.open.store;
  for await (const { digest } of recomputeDigests({ index, core, points: [set.point] })) {
    expect(digest.toString('hex')).toBe(storedDigest(index, set.point)?.toString('hex'));
  }
});

test('cut: bodies of new nodes are numbered in the order of their nodes, each one once (R1)', async () => {
  const before =
    set.open.store.index.get<{ id: number }>('SELECT max(id) AS id FROM body')?.id ?? 0;
  await set.commit(manyNew());
  const bodies = set.open.store.index.all<{ id: number; node: number }>(
    'SELECT id, node FROM body WHERE born = ? ORDER BY id',
    set.point,
  );
  const nodes = set.open.store.index.all<{ id: number; body: number }>(
    'SELECT id, body FROM node WHERE born = ? AND body IS NOT NULL ORDER BY id',
    set.point,
  );
  expect(bodies).toHaveLength(576);
  expect(bodies).toEqual(nodes.map(({ id, body }) => ({ id: body, node: id })));
  expect(bodies.map(({ id }) => id)).toEqual(bodies.map((_, at) => before + 1 + at));
});
