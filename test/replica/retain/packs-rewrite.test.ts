import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openModelSet } from '../support/open-model-set.js';
import { Seeded } from '../../support/seeded.js';
import { copyFolder, RandomHistory } from './support/random-history.js';

const seeds = (process.env['SEEDS'] ?? '1,2').split(',').map(Number);
let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-packs-'));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

/** Syncs over several packs, of which most records are named no more. */
async function prunedSet(seed: number): Promise<RandomHistory> {
  const set = new RandomHistory(path.join(root, 'set'), seed);
  await set.reopen();
  for (let n = 0; n < 5; n += 1) {
    await set.syncs(4);
    set.open.store.packs.roll();
  }
  await set.sync();
  await set.prune(set.some(0.75));
  return set;
}

describe('rewriting packs (R4, R9)', () => {
  test.each(seeds)(
    'packs under half live go, and every point reads as before, seed %i',
    async (seed) => {
      const set = await prunedSet(seed);
      const { packs } = set.open.store;
      const bytes = packs.bytes();
      const result = await set.rewrite();
      expect(result.packs).toBeGreaterThan(0);
      expect(packs.bytes()).toBe(bytes - result.freedBytes);
      expect(result.freedBytes).toBeGreaterThan(0);
      expect(await set.wrongPoints()).toEqual([]);
      expect((await set.rewrite()).packs, 'a second run finds nothing').toBe(0);
      await set.reopen();
      expect(await set.wrongPoints()).toEqual([]);
      await set.syncs(2);
      expect(await set.wrongPoints()).toEqual([]);
      await set.close();
    },
  );

  test.each(seeds)(
    'a crash at any step, with what was not flushed torn: every point reads as before, seed %i',
    async (seed) => {
      const set = await prunedSet(seed);
      const random = new Seeded(seed);
      const crashes: { folder: string; step: string }[] = [];
      let durableEnd = set.open.store.packs.tail();
      await set.rewrite({
        reached: (step) => {
          const folder = path.join(root, `crash-${crashes.length}`);
          copyFolder(path.join(root, 'set'), folder);
          crashes.push({ folder, step });
          const { tail } = { tail: set.open.store.packs.tail() };
          if (step !== 'appended') durableEnd = tail;
          else if (durableEnd.newest === tail.newest) {
            const file = path.join(folder, 'packs', `${String(tail.newest).padStart(8, '0')}.pack`);
            fs.truncateSync(file, durableEnd.end + random.below(tail.end - durableEnd.end));
          }
        },
      });
      await set.close();
      const steps = new Set(crashes.map(({ step }) => step));
      expect(steps).toEqual(new Set(['appended', 'flushed', 'moved', 'removed']));
      for (const { folder, step } of crashes) {
        const open = await openModelSet(folder);
        expect(await set.wrongPoints(open), step).toEqual([]);
        const unnamed = open.store.packs
          .files()
          .filter(
            ({ pack, open: current }) =>
              !current &&
              open.store.index.get('SELECT 1 FROM before WHERE pack = ?', pack) === undefined,
          );
        expect(unnamed, `${step}: packs that no row names`).toEqual([]);
        await open.close();
      }
    },
  );

  test('a record that is damaged: its pack stays where it is, and the others are rewritten', async () => {
    const set = await prunedSet(2);
    const { store } = set.open;
    const row = store.index.get<{ pack: number; offset: number; n: number }>(
      'SELECT pack, offset, count(*) AS n FROM before WHERE pack IS NOT NULL GROUP BY pack LIMIT 1',
    );
    if (row === undefined) throw new Error('no pack is named');
    const file = path.join(root, 'set/packs', `${String(row.pack).padStart(8, '0')}.pack`);
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, Buffer.from([255, 255]), 0, 2, row.offset + 40);
    fs.closeSync(fd);
    await set.rewrite();
    expect(fs.existsSync(file)).toBe(true);
    await set.close();
  });

  test('readers and syncs meanwhile: see every point as it is', async () => {
    const set = await prunedSet(4);
    const rewriting = set.rewrite();
    for (let n = 0; n < 3; n += 1) {
      await set.sync();
      expect(await set.wrongPoints()).toEqual([]);
    }
    expect((await rewriting).packs).toBeGreaterThan(0);
    expect(await set.wrongPoints()).toEqual([]);
    await set.close();
  });
});
