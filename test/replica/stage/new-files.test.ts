import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NewFiles } from '../../../replica/stage/new-files.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { SyncRecord } from '../../../shared/protocol/records.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { core, fileRecords, nodeRecord, pattern, SmallSet } from '../support/small-set.js';

const NODE = 50;
const BLOCK = 65_536;
const BLOCKS = 192;
const MIB = 1024 * 1024;
const content = pattern(BLOCKS * BLOCK, 9);

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
  await set.commit(fileRecords({ node: NODE, parent: SET_NODE, name: 'large', content }));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await set.close();
});

/** The most bytes that waited to be written while a sync of these records was taken. */
async function mostWaiting(records: readonly SyncRecord[]): Promise<number> {
  const posix = loadPosix();
  let waiting = 0;
  let most = 0;
  const put = Reflect.get(NewFiles.prototype, 'put');
  vi.spyOn(NewFiles.prototype, 'put').mockImplementation(function (this: NewFiles, piece) {
    waiting += piece.bytes.length;
    most = Math.max(most, waiting);
    put.call(this, piece);
  });
  const write = posix.writeNew.bind(posix);
  vi.spyOn(posix, 'writeNew').mockImplementation(async (folder, pieces) => {
    await new Promise((resolve) => setTimeout(resolve, 10)); // a disk slower than what is read
    await write(folder, pieces);
    for (const { bytes } of pieces) waiting -= bytes.length;
  });
  await set.commit(records);
  return most;
}

describe('blocks that wait to be written', () => {
  test('are few when one record asks for a large file as it was', async () => {
    const most = await mostWaiting([
      nodeRecord({ node: NODE, size: content.length }),
      { type: 'same', node: NODE, block: 0, count: BLOCKS },
    ]);
    expect(most).toBeLessThan(5 * MIB);
    expect(await set.wrongPoints()).toEqual([]);
  });

  test('are few when short records ask for copies', async () => {
    const copies = Array.from({ length: BLOCKS }, (_, at): SyncRecord[] => {
      const bytes = content.subarray(at * BLOCK, (at + 1) * BLOCK);
      return [
        nodeRecord({ node: 100 + at, size: BLOCK }),
        { type: 'copy', node: 100 + at, block: 0, digest: core.digest(bytes), length: BLOCK },
        { type: 'link', parent: SET_NODE, name: Buffer.from(`copy-${at}`), node: 100 + at },
      ];
    });
    const most = await mostWaiting(copies.flat());
    expect(most).toBeLessThan(5 * MIB);
    expect(set.copies.at(-1)?.get('copy-7')?.content).toEqual(
      content.subarray(7 * BLOCK, 8 * BLOCK),
    );
  });
});
