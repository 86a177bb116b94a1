/** A scrub finds what rotted, repairs it from what is whole, and names what it cannot (R3, R21). */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AfterimageError } from '../../../shared/errors.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import { LIVE } from '../../../replica/index/schema.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { betweenSyncs } from '../../../replica/verify/scrub-set.js';
import { filesBelow, flipBit, scrubOnce } from '../support/scrubbed-set.js';
import {
  blockRecords,
  FILE_BYTES,
  fileRecords,
  link,
  nodeRecord,
  Nodes,
  pattern,
  SmallSet,
  unlink,
} from '../support/small-set.js';

let small: SmallSet;

beforeEach(async () => {
  small = await SmallSet.create();
});
afterEach(async () => {
  await small.close();
});

/** A sync that changes some bytes of the file, and so puts a record of the old ones into a pack. */
async function patchFile(at: number, fill: number): Promise<Buffer> {
  const content = Buffer.from(small.copies.at(-1)?.get('folder/file')?.content ?? Buffer.alloc(0));
  content.fill(fill, at, at + 100);
  const records: SyncRecord[] = [
    nodeRecord({ node: Nodes.file, size: content.length, body: 'keep' }),
    ...blockRecords(Nodes.file, content),
  ];
  await small.commit(records);
  return content;
}

/** A second file with the same content as the first. */
async function copyFile(): Promise<void> {
  const content = small.copies.at(-1)?.get('folder/file')?.content ?? Buffer.alloc(0);
  await small.commit(
    fileRecords({ node: 50, parent: SET_NODE, name: 'twin', content: Buffer.from(content) }),
  );
}

async function readError(point: number, node: number, block: number): Promise<unknown> {
  const view = new StoredSetReader(small.open.store).open(point);
  try {
    await view.readBlock(node, block);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('scrub', () => {
  test('scrub: a good set has nothing to find, and reads all of it', async () => {
    await patchFile(10, 9);
    const { found, damage, findings, bytes } = await scrubOnce(small.open);
    expect({ found, damage, findings }).toEqual({ found: 0, damage: [], findings: [] });
    expect(bytes).toBeGreaterThan(FILE_BYTES);
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: a flipped bit in the base is repaired from a twin, its time kept (R21)', async () => {
    await copyFile();
    const file = small.at('base', 'folder', 'file');
    const { mtimeMs } = fs.statSync(file);
    flipBit(file, { byte: BLOCK_BYTES + 5 });
    const { found, repaired, damage } = await scrubOnce(small.open);
    expect({ found, repaired, damage }).toEqual({ found: 1, repaired: 1, damage: [] });
    expect(fs.readFileSync(file)).toEqual(pattern(FILE_BYTES, 1));
    expect(fs.statSync(file).mtimeMs).toBe(mtimeMs);
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: one without a twin is damaged for exactly the points that have it (R3)', async () => {
    const before = small.point;
    const content = pattern(5000, 2);
    content.fill(1, 4200);
    await small.commit([
      nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
      ...blockRecords(Nodes.other, content),
    ]);
    // In the second page, which the older version has of its own.
    flipBit(small.at('base', 'other'), { byte: 4500 });
    const { found, repaired, damage } = await scrubOnce(small.open);
    expect({ found, repaired }).toEqual({ found: 1, repaired: 0 });
    expect(damage).toMatchObject([{ block: 0, hi: LIVE, from: before + 1, to: before + 1 }]);
    expect(await readError(before + 1, Nodes.other, 0)).toMatchObject({ code: 'damaged' });
    expect(await readError(before, Nodes.other, 0)).toBeUndefined();
    // In the first, which it shares.
    flipBit(small.at('base', 'other'), { byte: 5 });
    const more = await scrubOnce(small.open);
    expect(more.damage.map(({ from, to }) => [from, to])).toEqual([
      [1, before],
      [before + 1, before + 1],
    ]);
    for (const point of [1, before, before + 1]) {
      expect(await readError(point, Nodes.other, 0)).toMatchObject({ code: 'damaged' });
      for (const block of [0, 1, 2]) {
        expect(await readError(point, Nodes.file, block)).toBeUndefined();
      }
    }
  });

  test('scrub: the newest block is gone, its older versions that need none of it still read', async () => {
    const before = small.point;
    // All of block 0 changes, so that the older version is in the pack as a whole.
    const content = pattern(FILE_BYTES, 1);
    content.fill(7, 0, BLOCK_BYTES);
    await small.commit([
      nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' }),
      ...blockRecords(Nodes.file, content),
    ]);
    flipBit(small.at('base', 'folder', 'file'), { byte: 5 });
    const { damage } = await scrubOnce(small.open);
    expect(damage).toMatchObject([{ block: 0, hi: LIVE, from: before + 1, to: before + 1 }]);
    expect(await readError(before, Nodes.file, 0)).toBeUndefined();
    expect(await readError(before + 1, Nodes.file, 0)).toMatchObject({ code: 'damaged' });
  });

  test('scrub: a record that rotted is saved anew from a twin, in the same place of history', async () => {
    await copyFile();
    await patchFile(10, 9);
    await patchFile(10, 11);
    for (const pack of filesBelow(small.at('packs'))) flipBit(pack, { byte: 100 });
    const { found, repaired, damage } = await scrubOnce(small.open);
    expect({ found, repaired, damage }).toEqual({ found: 1, repaired: 1, damage: [] });
    expect(await small.wrongPoints()).toEqual([]);
    await small.reopen();
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: a record without a twin is damaged for its points alone, and says so at once', async () => {
    await patchFile(10, 9);
    const point = small.point;
    await patchFile(10, 11);
    const row = small.open.store.index.get<{ offset: number }>(
      'SELECT offset FROM before WHERE block = 0 AND hi = ?',
      point,
    );
    const [pack] = filesBelow(small.at('packs'));
    const at = { byte: (row?.offset ?? 0) + 40 };
    flipBit(pack ?? '', at);
    const { found, repaired, damage } = await scrubOnce(small.open);
    expect({ found, repaired }).toEqual({ found: 1, repaired: 0 });
    expect(damage).toMatchObject([{ block: 0, hi: point, from: point, to: point }]);
    expect(await readError(point, Nodes.file, 0)).toMatchObject({ code: 'damaged' });
    for (const other of [1, point - 1, point + 1]) {
      expect(await readError(other, Nodes.file, 0)).toBeUndefined();
    }
    // Put right by whoever: it is not called damaged any more.
    flipBit(pack ?? '', at);
    const again = await scrubOnce(small.open);
    expect(again).toMatchObject({ found: 0, repaired: 1, damage: [] });
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: the attic is repaired from the base, and the base from the attic', async () => {
    await copyFile();
    await small.commit([unlink(Nodes.folder, 'file')]);
    const [attic] = filesBelow(small.at('attic')).filter((file) => fs.statSync(file).size > 1000);
    flipBit(attic ?? '', { byte: 3 });
    flipBit(small.at('base', 'twin'), { byte: BLOCK_BYTES + 3 });
    const { found, repaired, damage } = await scrubOnce(small.open);
    expect({ found, repaired, damage }).toEqual({ found: 2, repaired: 2, damage: [] });
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: content that came back is repaired from its own history', async () => {
    const content = await patchFile(10, 9);
    expect(content).not.toEqual(pattern(FILE_BYTES, 1));
    await small.commit([
      nodeRecord({ node: Nodes.file, size: FILE_BYTES, body: 'keep' }),
      ...blockRecords(Nodes.file, pattern(FILE_BYTES, 1)),
    ]);
    flipBit(small.at('base', 'folder', 'file'), { byte: 20 });
    const { repaired, damage } = await scrubOnce(small.open);
    // The pages that the record lacks are the base's, and those are sound.
    expect({ repaired, damage: damage.length }).toEqual({ repaired: 1, damage: 0 });
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: an edit, a cut, a deletion in the base are rot like any other', async () => {
    await copyFile();
    const file = small.at('base', 'folder', 'file');
    fs.appendFileSync(small.at('base', 'other'), 'more');
    fs.truncateSync(file, 70_000);
    await small.reopen();
    expect(await scrubOnce(small.open)).toMatchObject({ repaired: 2, damage: [] });
    fs.rmSync(file);
    await small.reopen();
    const gone = await scrubOnce(small.open);
    expect(gone).toMatchObject({ repaired: 3, damage: [] });
    expect(gone.findings).toMatchObject([{ kind: 'tree', path: 'folder/file' }]);
    expect(fs.readFileSync(file)).toEqual(pattern(FILE_BYTES, 1));
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: folders and links that are gone come back; what took their place is kept aside', async () => {
    await copyFile();
    const outside = fs.mkdtempSync('/tmp/afterimage-outside-');
    fs.rmSync(small.at('base', 'folder'), { recursive: true });
    fs.symlinkSync(outside, small.at('base', 'folder'));
    fs.rmSync(small.at('base', 'symlink'));
    await small.reopen();
    const { damage } = await scrubOnce(small.open);
    expect(damage).toEqual([]);
    expect(fs.readdirSync(outside)).toEqual([]);
    expect(fs.readlinkSync(small.at('base', 'symlink'))).toBe('folder/file');
    expect(fs.readdirSync(small.at('base', 'folder')).sort()).toEqual(['file', 'inner']);
    expect(fs.readlinkSync(small.at('strays', '1'))).toBe(outside);
    expect(await small.wrongPoints()).toEqual([]);
    expect(await small.goodSync()).toEqual([]);
    fs.rmdirSync(outside);
  });

  test('scrub: a name of a file that became another file leads to the better one again', async () => {
    const link: SyncRecord = {
      type: 'link',
      parent: SET_NODE,
      name: Buffer.from('a-second-name'),
      node: Nodes.file,
    };
    await small.commit([link]);
    const first = small.at('base', 'a-second-name');
    // As editors write: a new file under the old name.
    fs.writeFileSync(`${first}.new`, 'an edit');
    fs.renameSync(`${first}.new`, first);
    await small.reopen();
    const { damage } = await scrubOnce(small.open);
    expect(damage).toEqual([]);
    expect(fs.statSync(first).ino).toBe(fs.statSync(small.at('base', 'folder', 'file')).ino);
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: stopped anywhere, the round goes on where it was', async () => {
    for (let n = 0; n < 40; n += 1) {
      const content = pattern(100_000, 200 + n);
      await small.commit(fileRecords({ node: 100 + n, parent: SET_NODE, name: `f${n}`, content }));
    }
    flipBit(small.at('base', 'f39'), { byte: 7 });
    const stop = new AbortController();
    let taken = 0;
    const halfway = scrubOnce(small.open, {
      signal: stop.signal,
      take: (bytes) => {
        taken += bytes;
        if (taken > 2_000_000) stop.abort();
        return Promise.resolve();
      },
    });
    await expect(halfway).rejects.toBeInstanceOf(AfterimageError);
    await small.reopen();
    let rest = 0;
    const { found, bytes } = await scrubOnce(small.open, {
      take: (more) => {
        rest += more;
        return Promise.resolve();
      },
    });
    expect(found).toBe(1);
    expect(rest).toBeLessThan(bytes);
  });

  test('scrub: a name that rot made a way out of its folder is told of, and nothing follows it', async () => {
    const outside = small.at('outside');
    fs.mkdirSync(outside);
    const content = pattern(5000, 3);
    await small.commit([
      nodeRecord({ node: 90, kind: 'symlink', target: Buffer.from(outside) }),
      link(SET_NODE, 'to', 90),
      ...fileRecords({ node: 91, parent: SET_NODE, name: 'to.x', content }),
      ...fileRecords({ node: 92, parent: SET_NODE, name: 'its twin', content }),
    ]);
    const { writer } = small.open.store;
    writer.run('UPDATE entry SET name = ? WHERE node = 91', Buffer.from('to/x'));
    const { findings } = await scrubOnce(small.open);
    expect(findings.some(({ message }) => message.includes('no name'))).toBe(true);
    expect(fs.readdirSync(outside)).toEqual([]);
    fs.writeFileSync(path.join(outside, 'x'), 'mine');
    await scrubOnce(small.open);
    expect(fs.readFileSync(path.join(outside, 'x'), 'utf8')).toBe('mine');
  });

  test('scrub: waits while the set is past the point where it may be changed', async () => {
    await copyFile();
    flipBit(small.at('base', 'folder', 'file'), { byte: 7 });
    let refusals = 3;
    const { repaired } = await scrubOnce(small.open, {
      exclusively: async (body) => {
        refusals -= 1;
        return refusals >= 0 ? 'busy' : await betweenSyncs(small.open.writer, body);
      },
    });
    expect(refusals).toBeLessThan(0);
    expect(repaired).toBe(1);
  });
});
