import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openModelSet } from '../../model/open-set.js';
import { PatchedSet } from './support/patched-set.js';
import { copyFolder } from './support/random-history.js';

const seeds = (process.env['SEEDS'] ?? '1,2').split(',').map(Number);
let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-packs-'));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

const packFile = (folder: string, pack: number): string =>
  path.join(folder, 'packs', `${String(pack).padStart(8, '0')}.pack`);

describe('rewriting packs (R4, R9)', () => {
  test.each(seeds)(
    'packs under half live go, and every point reads as before, seed %i',
    async (seed) => {
      const set = await PatchedSet.create(seed);
      const { packs } = set.open.store;
      const bytes = packs.bytes();
      const result = await set.rewrite();
      expect(result.packs).toBeGreaterThan(0);
      expect(result.movedBytes).toBeGreaterThan(0);
      expect(result.freedBytes).toBeGreaterThan(0);
      expect(packs.bytes()).toBe(bytes - result.freedBytes);
      expect(await set.wrongPoints()).toEqual([]);
      expect((await set.rewrite()).packs, 'a second run finds nothing').toBe(0);
      await set.reopen();
      expect(await set.wrongPoints()).toEqual([]);
      await set.sync();
      expect(await set.wrongPoints()).toEqual([]);
      await set.close();
    },
  );

  test.each(seeds)(
    'a crash at any step, with what was not flushed torn: every point reads as before, seed %i',
    async (seed) => {
      const set = await PatchedSet.create(seed);
      const crashes: { folder: string; step: string }[] = [];
      const { packs } = set.open.store;
      let durable = packs.tail();
      const flush = packs.flush.bind(packs);
      packs.flush = (): void => {
        flush();
        durable = packs.tail();
      };
      await set.rewrite({
        reached: (step) => {
          const folder = path.join(root, `crash-${crashes.length}`);
          copyFolder(set.folder, folder);
          crashes.push({ folder, step });
          const tail = packs.tail();
          const from = durable.newest === tail.newest ? durable.end : 0;
          const end = from + set.random.below(tail.end - from);
          fs.truncateSync(packFile(folder, tail.newest), end);
        },
      });
      const steps = new Set(crashes.map(({ step }) => step));
      expect(steps).toEqual(new Set(['appended', 'flushed', 'moved', 'removed']));
      for (const { folder, step } of crashes) {
        const open = await openModelSet(folder);
        expect(await set.wrongPoints(open), step).toEqual([]);
        const unnamed = open.store.packs
          .files()
          .filter((file) => !file.open)
          .filter(({ pack }) => {
            const sql = 'SELECT 1 FROM before WHERE pack = ?';
            return open.store.index.get(sql, pack) === undefined;
          });
        expect(unnamed, `${step}: packs that no row names`).toEqual([]);
        await open.close();
      }
      await set.close();
    },
  );

  test('a record that is damaged: its pack stays, so that it can be repaired, others are rewritten', async () => {
    const set = await PatchedSet.create(2);
    const { store } = set.open;
    const rows = store.index.all<{ pack: number; offset: number }>(
      'SELECT pack, max(offset) AS offset FROM before WHERE pack IS NOT NULL GROUP BY pack',
    );
    const row = rows[0];
    if (row === undefined) throw new Error('no pack is named');
    const file = packFile(set.folder, row.pack);
    const fd = fs.openSync(file, 'r+');
    const bytes = Buffer.alloc(1);
    fs.readSync(fd, bytes, 0, 1, row.offset + 40);
    fs.writeSync(fd, Buffer.from([~(bytes[0] ?? 0) & 255]), 0, 1, row.offset + 40);
    fs.closeSync(fd);
    const { packs } = await set.rewrite();
    expect(packs).toBeGreaterThan(0);
    expect(fs.existsSync(file)).toBe(true);
    await set.close();
  });

  test('what refused syncs had archived: is given back', async () => {
    const set = await PatchedSet.create(3);
    await set.rewrite();
    const { packs } = set.open.store;
    // Records that no transaction named, as a sync leaves them that is refused after it archived.
    for (let block = 0; block < 40; block += 1) {
      packs.append({ body: 1, block, bytes: set.random.bytes(65_536) });
    }
    packs.flush();
    const bytes = packs.bytes();
    await set.sync();
    const { freedBytes } = await set.rewrite();
    expect(freedBytes).toBeGreaterThan(40 * 65_536);
    expect(packs.bytes()).toBeLessThan(bytes - 39 * 65_536 + 16 * 65_600);
    expect(await set.wrongPoints()).toEqual([]);
    await set.close();
  });

  test('readers and syncs meanwhile: see every point as it is', async () => {
    const set = await PatchedSet.create(4);
    const rewriting = set.rewrite();
    for (let n = 0; n < 3; n += 1) {
      await set.sync();
      expect(await set.wrongPoints()).toEqual([]);
    }
    expect((await rewriting).packs).toBeGreaterThan(0);
    expect(await set.wrongPoints()).toEqual([]);
    await set.close();
  });

  test('a sealed sync that is not applied yet: keeps its records where its intent names them', async () => {
    const set = await PatchedSet.create(5);
    const bytes = set.open.store.packs.bytes();
    expect(await set.rewrite({ mayMove: () => false })).toEqual({
      packs: 0,
      movedBytes: 0,
      freedBytes: 0,
    });
    expect(set.open.store.packs.bytes()).toBe(bytes);
    await set.close();
  });
});
