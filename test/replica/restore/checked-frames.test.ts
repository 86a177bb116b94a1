/** What a restore writes has the digests of the point, whoever was to compare them (R2, promise 2). */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ContentFrame } from '../../../shared/api/content.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { checkedFrames } from '../../../shared/restore/checked-frames.js';
import type { PointSource } from '../../../shared/restore/point-source.js';
import { ViewSource } from '../../../replica/restore/view-source.js';
import {
  blockRecords,
  core,
  FILE_BYTES,
  nodeRecord,
  Nodes,
  pattern,
  SmallSet,
} from '../support/small-set.js';

let set: SmallSet;
const { signal } = new AbortController();

beforeEach(async () => {
  set = await SmallSet.create();
});

afterEach(async () => {
  await set.close();
});

type Read = PointSource['read'];

/** The file at a point as one buffer, read through `wrap`; what failed is told by its code. */
async function readFile(point: number, wrap: (read: Read) => Read): Promise<Buffer | string[]> {
  const view = new StoredSetReader(set.open.store).open(point);
  const source = new ViewSource(view, core);
  const read = wrap((...args) => source.read(...args));
  const parts: Buffer[] = [];
  const failed: string[] = [];
  try {
    const reading = { source: { read }, hash: core, signal };
    for await (const frame of checkedFrames(reading, [{ node: Nodes.file }])) {
      if (frame.type === 'failed') failed.push(`${frame.block} ${frame.error.code}`);
      else if (frame.type !== 'zero') parts.push(Buffer.from(frame.bytes));
    }
  } finally {
    view.close();
  }
  return failed.length > 0 ? failed : Buffer.concat(parts);
}

/** One bit of every block that comes is another, for those who said that they look. */
function spoil(check: 'asker' | 'always'): (read: Read) => Read {
  return (read) =>
    async function* spoiled(items, until, by): AsyncGenerator<ContentFrame> {
      for await (const frame of read(items, until, by)) {
        const hit = check === 'always' || by === 'asker';
        if (!hit || frame.type === 'zero' || frame.type === 'failed') {
          yield frame;
          continue;
        }
        const bytes = Buffer.from(frame.bytes);
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
        yield { ...frame, bytes };
      }
    };
}

it('bytes that are not the digest: are asked for again, and come right', async () => {
  const content = set.copies[set.point - 1]?.get('folder/file')?.content;
  expect(await readFile(set.point, spoil('asker'))).toEqual(content);
});

it('bytes that are wrong again: fail their blocks, and are never taken', async () => {
  const blocks = Math.ceil(FILE_BYTES / 65_536);
  const failed = Array.from({ length: blocks }, (_, block) => `${block} answer-malformed`);
  expect(await readFile(set.point, spoil('always'))).toEqual(failed);
});

it('a bit of the base that rotted: fails the block that holds it', async () => {
  const place = `${set.folder}/base/folder/file`;
  const rotten = readFileSync(place);
  rotten.writeUInt8(rotten.readUInt8(70_000) ^ 1, 70_000);
  writeFileSync(place, rotten);
  expect(await readFile(set.point, (read) => read)).toEqual(['1 damaged']);
});

it('a sync that changes the file between its look-up and its reading: gives the file as it was', async () => {
  const before = set.copies[set.point - 1]?.get('folder/file')?.content;
  const point = set.point;
  const changed = pattern(FILE_BYTES, 1);
  changed.fill(9, 70_000, 70_100);
  const block = blockRecords(Nodes.file, changed).slice(1, 2);
  let committed = false;
  const found = await readFile(
    point,
    (read) =>
      async function* late(items, until, by): AsyncGenerator<ContentFrame> {
        for await (const frame of read(items, until, by)) {
          if (!committed && (frame.type === 'block' || frame.type === 'run')) {
            committed = true;
            const node = nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' });
            await set.commit([node, ...block]);
            // Digests of before and bytes of after: what a reader gets that the sync overtook.
            const bytes = readFileSync(`${set.folder}/base/folder/file`);
            const at = frame.block * 65_536;
            yield { ...frame, bytes: bytes.subarray(at, at + frame.bytes.length) };
          } else {
            yield frame;
          }
        }
      },
  );
  expect(committed).toBe(true);
  expect(found).toEqual(before);
});
