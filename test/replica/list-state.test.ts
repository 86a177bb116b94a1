/** The newest point in pages, for an agent that lost its state: whole, and each page bounded (R13). */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listState } from '../../replica/history/list-state.js';
import { BODY_BYTES_MAX } from '../../shared/protocol/frame.js';
import { decodeRecords, SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import { fileRecords, link, nodeRecord, Nodes, pattern, SmallSet } from './support/small-set.js';

const LINKS = 6_000;
const LINKED = 50;
const SPARSE = 51;
const SPARSE_BLOCKS = 40_000;

let small: SmallSet;
beforeEach(async () => {
  small = await SmallSet.create();
});
afterEach(async () => {
  await small.close();
});

function listAll(): { pages: number; largest: number; records: SyncRecord[] } {
  const records: SyncRecord[] = [];
  let largest = 0;
  let pages = 0;
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: ReturnType<typeof listState> = listState(small.open.store, cursor);
    largest = Math.max(largest, page.records.length);
    records.push(...decodeRecords(page.records));
    pages += 1;
    cursor = page.next;
  }
  return { pages, largest, records };
}

const of = (node: number, type: SyncRecord['type'], records: readonly SyncRecord[]) =>
  records.filter((record) => record.type === type && 'node' in record && record.node === node);

test('state: a file of many names comes in pages that one answer holds, each name once', async () => {
  const name = (n: number): string => `${n}-${'x'.repeat(200)}`;
  const more: SyncRecord[] = [];
  for (let n = 1; n < LINKS; n += 1) more.push(link(SET_NODE, name(n), LINKED));
  const content = pattern(200_000, 3);
  await small.send([
    ...fileRecords({ node: LINKED, parent: SET_NODE, name: name(0), content }),
    ...more,
  ]);
  const { records, largest, pages } = listAll();
  expect(pages).toBeGreaterThan(3);
  expect(largest).toBeLessThan(BODY_BYTES_MAX - 8 * 1024);
  const names = of(LINKED, 'link', records).map((record) =>
    record.type === 'link' ? Buffer.from(record.name).toString() : '',
  );
  expect(new Set(names).size).toBe(LINKS);
  expect(names).toHaveLength(LINKS);
  expect(of(LINKED, 'node', records)).toHaveLength(1);
  expect(of(LINKED, 'copy', records)).toHaveLength(4);
  expect(of(Nodes.file, 'node', records)).toHaveLength(1);
});

test('state: a long run of zero blocks does not hold up one answer', async () => {
  const size = SPARSE_BLOCKS * 65_536;
  await small.send([
    nodeRecord({ node: SPARSE, size }),
    { type: 'zero', node: SPARSE, block: 0, count: SPARSE_BLOCKS },
    link(SET_NODE, 'sparse', SPARSE),
  ]);
  const { records, pages } = listAll();
  expect(pages).toBeGreaterThanOrEqual(SPARSE_BLOCKS / 8_192);
  const runs = of(SPARSE, 'zero', records).filter(
    (record) => 'count' in record && record.count > 0,
  );
  const blocks = runs.reduce((sum, run) => sum + (run.type === 'zero' ? run.count : 0), 0);
  expect(blocks).toBe(SPARSE_BLOCKS);
});

test('state: a cursor that was never given is refused', () => {
  for (const cursor of ['x', '1', '1.2.3', '1.2-zz', `1.${'9'.repeat(11)}`]) {
    expect(() => listState(small.open.store, cursor)).toThrow(
      expect.objectContaining({ code: 'record-refused' }) as Error,
    );
  }
});
