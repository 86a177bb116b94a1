import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SyncRecord } from '../../../shared/protocol/records.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { openModelSet } from '../../model/open-set.js';
import { copyFolder } from '../retain/support/random-history.js';
import {
  blockRecords,
  core,
  encode,
  link,
  nodeRecord,
  pattern,
  SmallSet,
} from '../support/small-set.js';

const NODE = 50;
const content = pattern(3 * 65_536, 9);
const blocks = [0, 1, 2].map((block) => content.subarray(block * 65_536, (block + 1) * 65_536));
const digests = blocks.map((bytes) => core.digest(bytes));

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
});
afterEach(async () => {
  await set.close();
});

/** Blocks arrive, and their sync is dropped before its end. */
async function dropHalfway(): Promise<void> {
  const [begin] = set.framed([]);
  const records = [
    nodeRecord({ node: NODE, size: content.length }),
    ...blockRecords(NODE, content),
  ];
  const { writer } = set.open;
  const boot = 'ab'.repeat(16);
  await writer.stage({ boot, sequence: 1, body: begin ?? Buffer.alloc(0) });
  await writer.stage({ boot, sequence: 2, body: encode(records) });
  await writer.abandon('the agent died');
}

const has = async (): Promise<number[]> => [...(await set.open.writer.has(Buffer.concat(digests)))];

describe('what a dropped sync leaves behind (R12)', () => {
  test('answers has, also after a restart, and the next sync copies it without a byte sent', async () => {
    expect(await has()).not.toEqual([1, 1, 1]);
    await dropHalfway();
    expect(await has()).toEqual([1, 1, 1]);
    await set.reopen();
    expect(await has()).toEqual([1, 1, 1]);
    const copies: SyncRecord[] = digests.map((digest, block) => ({
      type: 'copy',
      node: NODE,
      block,
      digest,
      length: 65_536,
    }));
    const node = nodeRecord({ node: NODE, size: content.length });
    await set.commit([node, ...copies, link(SET_NODE, 'copied', NODE)]);
    expect(set.copies.at(-1)?.get('copied')?.content.equals(content)).toBe(true);
  });

  test('is there after a replica was killed, but for the newest two MiB of frames', async () => {
    const frames = Array.from({ length: 6 }, (_, frame) => pattern(8 * 65_536, 20 + frame));
    const [begin = Buffer.alloc(0)] = set.framed([]);
    const { writer } = set.open;
    const boot = 'ab'.repeat(16);
    await writer.stage({ boot, sequence: 1, body: begin });
    for (const [index, bytes] of frames.entries()) {
      const node = NODE + index;
      const records = [nodeRecord({ node, size: bytes.length }), ...blockRecords(node, bytes)];
      await writer.stage({ boot, sequence: 2 + index, body: encode(records) });
    }
    // As a process that is killed leaves it: nothing is closed.
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-leftovers-'));
    const folder = path.join(home, 'set');
    copyFolder(set.folder, folder);
    const copy = await openModelSet(folder);
    try {
      await copy.writer.abandon('another process of the agent sends now');
      const firstFour = Buffer.concat(frames.slice(0, 4));
      const asked = Array.from({ length: 32 }, (_, block) =>
        core.digest(firstFour.subarray(block * 65_536, (block + 1) * 65_536)),
      );
      expect(new Set(await copy.writer.has(Buffer.concat(asked)))).toEqual(new Set([1]));
    } finally {
      await copy.close();
      fs.rmSync(home, { recursive: true, force: true });
    }
  });

  test('goes with the next point, and is not said to be there any more', async () => {
    await dropHalfway();
    await set.goodSync();
    await vi.waitFor(() => {
      expect(set.strays()).toEqual([]);
    });
    expect(await has()).toEqual([0, 0, 0]);
  });
});
