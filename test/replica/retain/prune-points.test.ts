import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prunePoints } from '../../../replica/retain/prune-points.js';
import { Seeded } from '../../support/seeded.js';
import type { FullCopy } from '../support/model-set.js';
import {
  differences,
  ModelHistory,
  openModelSet,
  type OpenSet,
  readPoint,
  sendSync,
} from '../support/open-model-set.js';
import { strayRows } from './support/stray-rows.js';

const SYNCS = 14;
const seeds = (process.env['SEEDS'] ?? '1,2,3,4').split(',').map(Number);
const reason = { policy: 'test', by: 'test', timeMs: 1 };
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-prune-'));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

async function wrongPoints(set: OpenSet, copies: ReadonlyMap<number, FullCopy>): Promise<string[]> {
  const wrong: string[] = [];
  for (const [point, copy] of copies) {
    const found = await readPoint(set.store, point);
    wrong.push(...differences(found, copy).map((line) => `point ${point}: ${line}`));
  }
  return wrong;
}

describe('removing points (R2, R4, R28)', () => {
  test.each(seeds)(
    'the others read back as their full copies, among random syncs and restarts, seed %i',
    async (seed) => {
      const random = new Seeded(seed * 7919);
      const history = new ModelHistory(seed);
      const live = new Map<number, FullCopy>();
      let set = await openModelSet(folder);
      for (let sync = 1; sync <= SYNCS; sync += 1) {
        const { point, chain } = set.writer.position();
        const frames = history.next({ point, chain });
        const event = await sendSync(set.writer, { boot: String(sync), from: 1, frames });
        expect(event.type === 'refused' ? event.error.message : event.type).toBe('committed');
        const newest = history.copies.at(-1);
        if (newest !== undefined) live.set(sync, newest);
        if (random.chance(0.4)) {
          const gone = [...live.keys()].filter((at) => at !== sync && random.chance(0.4));
          const result = await set.writer.exclusively(() =>
            prunePoints(set.store, { points: gone, reason }),
          );
          expect(result.removed).toEqual(gone);
          for (const at of gone) live.delete(at);
          expect(await wrongPoints(set, live)).toEqual([]);
          expect(strayRows(set.store)).toEqual([]);
        }
        if (random.chance(0.2)) {
          await set.close();
          set = await openModelSet(folder);
        }
      }
      expect(await wrongPoints(set, live)).toEqual([]);
      const points = set.store.index.all<{ point: number }>('SELECT point FROM point');
      expect(points.map(({ point }) => point)).toEqual([...live.keys()]);
      await set.close();
    },
  );
});
