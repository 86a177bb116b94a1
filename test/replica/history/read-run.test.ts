/** Reading many blocks at one go gives what reading one by one gives, or the same error (promise 2, R9). */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ContentFrame } from '../../../shared/api/content.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { type FrameManner, readFrames } from '../../../replica/restore/content-frames.js';
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

beforeEach(async () => {
  set = await SmallSet.create();
  const changed = pattern(FILE_BYTES, 1);
  changed.fill(9, 70_000, 70_100);
  const block = blockRecords(Nodes.file, changed).slice(1, 2);
  await set.commit([nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' }), ...block]);
});

afterEach(async () => {
  await set.close();
});

/** The file's bytes at a point, and the blocks that failed. */
async function read(
  point: number,
  shape: FrameManner['shape'] & string,
): Promise<{ bytes: Buffer; failed: number[] }> {
  const view = new StoredSetReader(set.open.store).open(point);
  const parts: Buffer[] = [];
  const failed: number[] = [];
  try {
    const frames: AsyncIterable<ContentFrame> = readFrames(view, core, [{ node: Nodes.file }], {
      shape,
    });
    for await (const frame of frames) {
      if (frame.type === 'failed') failed.push(frame.block);
      else if (frame.type !== 'zero') parts.push(Buffer.from(frame.bytes));
    }
  } finally {
    view.close();
  }
  return { bytes: Buffer.concat(parts), failed };
}

it('a changed file: reads at every point as it was, in runs and in blocks', async () => {
  for (let point = 1; point <= set.point; point += 1) {
    const content = set.copies[point - 1]?.get('folder/file')?.content;
    expect((await read(point, 'runs')).bytes.equals(content ?? Buffer.alloc(0))).toBe(true);
    expect((await read(point, 'blocks')).bytes.equals(content ?? Buffer.alloc(0))).toBe(true);
  }
});

it('one bit of the base that rotted: fails the block that holds it, at every point that reads it', async () => {
  const path = set.at('base', 'folder', 'file');
  const rotten = readFileSync(path);
  rotten[140_000] = (rotten[140_000] ?? 0) ^ 1;
  writeFileSync(path, rotten);
  for (let point = 1; point <= set.point; point += 1) {
    for (const shape of ['runs', 'blocks'] as const) {
      expect((await read(point, shape)).failed).toEqual([2]);
    }
  }
});

it('digests of a small file in one look: are those of the point, or none', () => {
  let given = 0;
  for (let point = 1; point <= set.point; point += 1) {
    const view = new StoredSetReader(set.open.store).open(point);
    const version = view.resolve(Buffer.from('folder/file'));
    const digests = view.smallDigests?.(Nodes.file);
    if (digests !== undefined) {
      given += 1;
      const content = set.copies[point - 1]?.get('folder/file')?.content ?? Buffer.alloc(0);
      expect(content.length).toBe(version?.size);
      expect(digests.equals(core.digestBlocks(content).digests)).toBe(true);
    }
    view.close();
  }
  expect(given).toBeGreaterThan(0);
});
