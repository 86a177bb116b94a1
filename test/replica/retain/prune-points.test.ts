import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openModelSet } from '../../model/open-set.js';
import { copyFolder, RandomHistory } from './support/random-history.js';
import { PatchedSet } from './support/patched-set.js';
import { strayRows } from './support/stray-rows.js';

const SYNCS = 14;
const seeds = (process.env['SEEDS'] ?? '1,2').split(',').map(Number);
let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-prune-'));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

const pointsOf = (set: RandomHistory): number[] =>
  set.open.store.index
    .all<{ point: number }>('SELECT point FROM point ORDER BY point')
    .map(({ point }) => point);

describe('removing points (R2, R4, R28)', () => {
  test.each(seeds)(
    'the others read back as their full copies, among random syncs and restarts, seed %i',
    async (seed) => {
      const set = new RandomHistory(path.join(root, 'set'), seed);
      await set.reopen();
      for (let sync = 1; sync <= SYNCS; sync += 1) {
        await set.sync();
        if (set.random.chance(0.4)) {
          await set.prune(set.some(0.4));
          expect(await set.wrongPoints()).toEqual([]);
          expect(strayRows(set.open.store)).toEqual([]);
        }
        if (set.random.chance(0.3)) await set.rewrite();
        if (set.random.chance(0.2)) await set.reopen();
      }
      expect(await set.wrongPoints()).toEqual([]);
      expect(pointsOf(set)).toEqual([...set.live.keys()]);
      await set.close();
    },
  );

  test.each(seeds)(
    'a crash before the commit, after it, or after the files went: points as before or as after, seed %i',
    async (seed) => {
      const set = new RandomHistory(path.join(root, 'set'), seed);
      await set.reopen();
      await set.syncs(10);
      const before = new Map(set.live);
      const gone = set.some(0.5);
      const left = new Map([...before].filter(([point]) => !gone.includes(point)));
      const crashes: { folder: string; step: string; live: number[] }[] = [];
      await set.prune(gone, {
        reached: (step) => {
          const folder = path.join(root, `crash-${crashes.length}`);
          copyFolder(path.join(root, 'set'), folder);
          crashes.push({ folder, step, live: pointsOf(set) });
        },
      });
      await set.close();
      expect(new Set(crashes.map(({ step }) => step)).size).toBe(gone.length === 0 ? 0 : 3);
      for (const { folder, step, live } of crashes) {
        const open = await openModelSet(folder);
        const copies = new Map([...before].filter(([point]) => live.includes(point)));
        for (const point of left.keys()) expect(live, `left at ${step}`).toContain(point);
        expect(await set.wrongPoints(open, copies), step).toEqual([]);
        expect(strayRows(open.store), step).toEqual([]);
        await open.close();
      }
    },
  );

  test.each(seeds)(
    'pages that are older than their block (R2): stay for the points that need them, seed %i',
    async (seed) => {
      const set = await PatchedSet.begin(seed);
      for (let round = 0; round < 4; round += 1) {
        for (let sync = 0; sync < 4; sync += 1) await set.sync();
        const older = [...set.live.keys()].slice(0, -1);
        await set.prune(older.filter(() => set.random.chance(0.4)));
        expect(await set.wrongPoints()).toEqual([]);
        expect(strayRows(set.open.store)).toEqual([]);
      }
      await set.close();
    },
  );

  test('the newest point: is refused (R4)', async () => {
    const set = new RandomHistory(path.join(root, 'set'), 1);
    await set.reopen();
    await set.syncs(2);
    await expect(set.prune([2])).rejects.toThrow('point 2 is the newest, which stays');
    expect(pointsOf(set)).toEqual([1, 2]);
    await set.close();
  });

  test('a body that a sync was promised blocks of (R10): keeps its points until that sync is over', async () => {
    const set = new RandomHistory(path.join(root, 'set'), 2);
    await set.reopen();
    await set.syncs(8);
    const { store } = set.open;
    const body = store.index.get<{ id: number; born: number; died: number }>(
      'SELECT id, born, died FROM body WHERE place = 1 AND died - born = 1',
    );
    if (body === undefined) throw new Error('no body of one point: take another seed');
    store.promised.add(body.id);
    await expect(set.prune([body.born])).rejects.toThrow(/expected/);
    expect(await set.wrongPoints()).toEqual([]);
    await set.sync();
    await set.prune([body.born]);
    expect(await set.wrongPoints()).toEqual([]);
    expect(strayRows(store)).toEqual([]);
    await set.close();
  });

  test('a point that is held at the last moment: stays whole', async () => {
    const set = new RandomHistory(path.join(root, 'set'), 3);
    await set.reopen();
    await set.syncs(6);
    let asked = 0;
    // False on the second question, which comes right before the commit.
    const late = set.prune([2, 4], { mayGo: (points) => !points.includes(4) || ++asked < 2 });
    await expect(late).rejects.toThrow(/expected/);
    expect(asked).toBe(2);
    set.live.delete(2);
    expect(pointsOf(set)).toEqual([1, 3, 4, 5, 6]);
    expect(await set.wrongPoints()).toEqual([]);
    await set.close();
  });

  test('numbers of points and bodies: are never given out again, whatever is removed', async () => {
    const set = new RandomHistory(path.join(root, 'set'), 5);
    await set.reopen();
    const bodies = (): number =>
      set.open.store.index.get<{ id: number }>('SELECT max(id) AS id FROM body')?.id ?? 0;
    let highest = 0;
    for (let round = 0; round < 8; round += 1) {
      await set.sync();
      await set.prune(set.some(1));
      await set.reopen();
      expect(bodies()).toBeGreaterThanOrEqual(highest);
      highest = bodies();
      expect(pointsOf(set)).toEqual([round + 1]);
    }
    expect(await set.wrongPoints()).toEqual([]);
    await set.close();
  });
});
