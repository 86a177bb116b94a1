import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoredSetReader } from '../../replica/history/stored-set-reader.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import {
  blockRecords,
  core,
  encode,
  fileRecords,
  FILE_BYTES,
  link,
  nodeRecord,
  Nodes,
  pattern,
  SmallSet,
} from './support/small-set.js';

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
});
afterEach(() => set.close());

const GIB = 2 ** 30;
const FRESH = 500;

describe('content of a sync', () => {
  test('a file that shrinks within its last block during a sync has its last length, and grows again', async () => {
    const long = pattern(10_000, 1);
    const short = long.subarray(0, 8000);
    await set.commit([
      ...fileRecords({ node: FRESH, parent: SET_NODE, name: 'shrunk', content: long }),
      nodeRecord({ node: FRESH, size: short.length }),
      ...blockRecords(FRESH, short),
    ]);
    expect(fs.statSync(set.at('base', 'shrunk')).size).toBe(8000);
    const grown = Buffer.concat([short, Buffer.alloc(4000)]);
    await set.commit([
      nodeRecord({ node: FRESH, size: grown.length, body: 'keep' }),
      {
        type: 'pages',
        node: FRESH,
        block: 0,
        digest: core.digest(grown),
        length: grown.length,
        mask: 0b10,
        bytes: grown.subarray(4096, 8192),
      },
    ]);
    expect(fs.readFileSync(set.at('base', 'shrunk')).equals(grown)).toBe(true);
    expect(await set.wrongPoints()).toEqual([]);
  });

  test('a file that grows by 20 GiB of zeros costs a row, reads back, and is a hole in the base', async () => {
    const size = 20 * GIB;
    const old = pattern(FILE_BYTES, 1);
    const blocks = Math.ceil(FILE_BYTES / BLOCK_BYTES);
    const last = Buffer.alloc(BLOCK_BYTES);
    old.copy(last, 0, (blocks - 1) * BLOCK_BYTES);
    const frames = set.framed([
      nodeRecord({ node: Nodes.file, size, body: 'keep' }),
      {
        type: 'block',
        node: Nodes.file,
        block: blocks - 1,
        digest: core.digest(last),
        bytes: last,
      },
      { type: 'zero', node: Nodes.file, block: blocks, count: size / BLOCK_BYTES - blocks },
    ]);
    const event = await set.sendFrames(frames);
    expect(event.type === 'refused' ? event.error.message : event.type).toBe('committed');
    const status = fs.statSync(set.at('base', 'folder', 'file'));
    expect(status.size).toBe(size);
    expect(status.blocks * 512).toBeLessThan(1024 * 1024);
    expect(fs.statSync(set.at('index.db')).size).toBeLessThan(4 * 1024 * 1024);
    const view = new StoredSetReader(set.open.store).open(set.point);
    const far = await view.readBlock(Nodes.file, size / BLOCK_BYTES - 1);
    expect(far.length).toBe(BLOCK_BYTES);
    expect(core.isZero(far)).toBe(true);
    expect((await view.readBlock(Nodes.file, 0)).equals(old.subarray(0, BLOCK_BYTES))).toBe(true);
  });

  test('zero blocks of a body written anew from the old one stay holes', async () => {
    const size = 64 * BLOCK_BYTES;
    const first = pattern(BLOCK_BYTES, 4);
    const head: SyncRecord[] = [
      { type: 'block', node: FRESH, block: 0, digest: core.digest(first), bytes: first },
    ];
    await set.commit([
      nodeRecord({ node: FRESH, size }),
      ...head,
      { type: 'zero', node: FRESH, block: 1, count: 63 },
      link(SET_NODE, 'sparse', FRESH),
    ]);
    await set.commit([
      nodeRecord({ node: FRESH, size, body: 'new' }),
      { type: 'same', node: FRESH, block: 0, count: 64 },
    ]);
    expect(fs.statSync(set.at('base', 'sparse')).blocks * 512).toBeLessThan(4 * BLOCK_BYTES);
    expect(await set.wrongPoints()).toEqual([]);
  });
});

describe('a file that somebody took out of the base', () => {
  beforeEach(async () => {
    fs.unlinkSync(set.at('base', 'other'));
    await set.reopen();
  });

  test('does not stop a sync that gives it other times', async () => {
    const event = await set.send([
      nodeRecord({ node: Nodes.other, size: 5000, body: 'keep', mode: 0o600 }),
    ]);
    expect(event.type).toBe('committed');
  });

  test('is asked for whole when a page of it comes, and then is there again', async () => {
    const content = pattern(5000, 2);
    content.fill(7, 0, 4096);
    const page: SyncRecord = {
      type: 'pages',
      node: Nodes.other,
      block: 0,
      digest: core.digest(content),
      length: 5000,
      mask: 1,
      bytes: content.subarray(0, 4096),
    };
    const node = nodeRecord({ node: Nodes.other, size: 5000, body: 'keep' });
    const refused = await set.send([node, page]);
    expect(refused).toMatchObject({ type: 'refused', wants: [{ node: Nodes.other, block: 0 }] });
    const event = await set.send([node, ...blockRecords(Nodes.other, content)]);
    expect(event.type).toBe('committed');
    expect(fs.readFileSync(set.at('base', 'other')).equals(content)).toBe(true);
    const view = new StoredSetReader(set.open.store).open(set.point - 1);
    await expect(view.readBlock(Nodes.other, 0)).rejects.toMatchObject({ code: 'damaged' });
  });
});

test('set writer: a diff that somebody reads slowly does not hide the newest point from it', async () => {
  const diff = new StoredSetReader(set.open.store).diff(1, 2);
  diff.next();
  expect(await set.goodSync()).toEqual([]);
  expect(await set.goodSync()).toEqual([]);
  expect([...diff].length).toBeGreaterThanOrEqual(0);
  expect(await set.wrongPoints()).toEqual([]);
});

test('set writer: a sync with a malformed outcome is refused by name', async () => {
  const [begin] = set.framed([]);
  const end = encode([{ type: 'end', sync: 3, outcome: Buffer.from('{}') }]);
  const event = await set.sendFrames([begin ?? Buffer.alloc(0), end]);
  expect(event).toMatchObject({ type: 'refused', error: { code: 'record-refused' } });
  expect(await set.goodSync()).toEqual([]);
});
