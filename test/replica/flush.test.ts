import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SET_NODE } from '../../shared/protocol/records.js';
import { fileRecords, pattern, SmallSet } from './support/small-set.js';

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await set.close();
});

const NODE = 60;
const oneFile = () =>
  fileRecords({ node: NODE, parent: SET_NODE, name: 'fresh', content: pattern(70_000, 4) });

/** Every flush of one file by the set, as the file's inode, in order. */
function watchFlushes(fail: (inode: number) => boolean = () => false): number[] {
  const flushed: number[] = [];
  for (const call of ['fsyncSync', 'fdatasyncSync'] as const) {
    const real = fs[call].bind(fs);
    vi.spyOn(fs, call).mockImplementation((fd) => {
      const { ino } = fs.fstatSync(fd);
      if (fail(ino)) throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
      real(fd);
      flushed.push(ino);
    });
  }
  return flushed;
}

/** The inode of the file being built, once it is there. */
const builtInode = (): number | undefined =>
  fs.statSync(set.at('new', String(NODE)), { throwIfNoEntry: false })?.ino;

describe('what is said to be sealed', () => {
  test('is on disk before it is said: the file built, its folder, and the pages (promise 1)', async () => {
    const flushed = watchFlushes();
    let atSeal: readonly number[] | undefined;
    let needed: readonly (number | undefined)[] = [];
    set.open.writer.onEvent(({ type }) => {
      if (type !== 'sealed') return;
      atSeal = [...flushed];
      needed = [builtInode(), ...['new', 'intent'].map((name) => fs.statSync(set.at(name)).ino)];
    });
    await set.commit(oneFile());
    expect(needed[0]).toBeDefined();
    for (const inode of needed) expect(atSeal).toContain(inode);
  });

  test('is taken from the agent again when the disk did not take it, as a second flush would lie (R19)', async () => {
    let failures = 0;
    watchFlushes((inode) => inode === builtInode() && failures++ === 0);
    const event = await set.send(oneFile());
    expect(event).toMatchObject({ type: 'refused', error: { code: 'flush-failed' } });
    expect(failures).toBeGreaterThan(0);
    expect(await set.goodSync()).toEqual([]);
    await set.commit(oneFile());
    expect(set.copies.at(-1)?.get('fresh')?.content.equals(pattern(70_000, 4))).toBe(true);
    expect(await set.wrongPoints()).toEqual([]);
  });
});
