/**
 * A disk that cannot read for a moment has not rotted: it is read again, a few times. One that stays
 * so costs the blocks that it holds, and stops no sync (R3, R19).
 */
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SET_NODE, type SyncRecord } from '../../shared/protocol/records.js';
import { scrubOnce } from './support/scrubbed-set.js';
import {
  blockRecords,
  core,
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
afterEach(async () => {
  vi.restoreAllMocks();
  await set.close();
});

/** Reads of a file of the base fail so many times; how often they did. */
function failReads(file: string, times: number): { readonly failed: number } {
  const { ino } = fs.statSync(set.at('base', file));
  const real = fs.readSync.bind(fs) as (...args: unknown[]) => number;
  const seen = { failed: 0 };
  vi.spyOn(fs, 'readSync').mockImplementation((fd: number, ...rest: unknown[]) => {
    if (seen.failed < times && fs.fstatSync(fd).ino === ino) {
      seen.failed += 1;
      throw Object.assign(new Error('EIO: i/o error, read'), {
        code: 'EIO',
        errno: -5,
        syscall: 'read',
      });
    }
    return real(fd, ...rest);
  });
  return seen;
}

const damagedRows = (): number =>
  set.open.store.index.get<{ n: number }>('SELECT count(*) AS n FROM before WHERE damaged = 1')
    ?.n ?? 0;

const patched = (): SyncRecord[] => [
  nodeRecord({ node: Nodes.other, size: 5000, body: 'keep' }),
  ...blockRecords(Nodes.other, pattern(5000, 77)),
];

describe('a disk that cannot read', () => {
  test('for a moment, while a sync overwrites: nothing is called damaged', async () => {
    const seen = failReads('other', 2);
    expect(await set.send(patched())).toMatchObject({ type: 'committed' });
    expect(seen.failed).toBe(2);
    expect(damagedRows()).toBe(0);
    expect(await set.wrongPoints()).toEqual([]);
  });

  test('for good, while a sync overwrites: its older points are damaged, and the sync goes on', async () => {
    const seen = failReads('other', Infinity);
    expect(await set.send(patched())).toMatchObject({ type: 'committed' });
    vi.restoreAllMocks();
    expect(seen.failed).toBeGreaterThan(2);
    expect(damagedRows()).toBe(1);
    expect(await set.goodSync()).toEqual([]);
  });

  test('for good, where a sync builds on what is there: those blocks are asked for', async () => {
    failReads('folder/file', Infinity);
    const event = await set.send([
      nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'new' }),
      { type: 'same', node: Nodes.file, block: 0, count: 3 },
    ]);
    expect(event).toMatchObject({ type: 'refused', wants: [{ node: Nodes.file, block: 0 }] });
    const digest = core.digest(pattern(FILE_BYTES, 1).subarray(0, 65_536));
    const copy = await set.send([
      nodeRecord({ node: 60, size: 65_536 }),
      { type: 'copy', node: 60, block: 0, digest, length: 65_536 },
      link(SET_NODE, 'copy', 60),
    ]);
    expect(copy).toMatchObject({ type: 'refused', wants: [{ node: 60, block: 0 }] });
  });

  test('for a moment, while it is scrubbed: nothing is called damaged', async () => {
    await set.commit(patched());
    const seen = failReads('other', 2);
    const { found } = await scrubOnce(set.open);
    expect(seen.failed).toBe(2);
    expect(found).toBe(0);
    expect(damagedRows()).toBe(0);
  });
});
