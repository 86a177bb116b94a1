import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Seeded } from '../support/seeded.js';
import type { FullCopy } from './support/model-set.js';
import {
  differences,
  ModelHistory,
  openModelSet,
  readPoint,
  sendSync,
} from './support/open-model-set.js';

const SYNCS = 12;
const boot = 'b'.repeat(32);
const seeds = (process.env['SEEDS'] ?? '1,2,3,4,5,6').split(',').map(Number);
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-set-'));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** The base is a plain copy of the newest point; what has no place in it lives in the index alone. */
function expectBase(expected: FullCopy): void {
  for (const [name, want] of expected) {
    const file = Buffer.concat([
      Buffer.from(path.join(folder, 'base/')),
      Buffer.from(name, 'latin1'),
    ]);
    if (want.kind === 'fifo') expect(fs.existsSync(file)).toBe(false);
    if (want.kind === 'file') {
      expect(fs.readFileSync(file).equals(want.content), `base: ${name}`).toBe(true);
    }
    if (want.kind === 'folder') expect(fs.lstatSync(file).isDirectory()).toBe(true);
    if (want.kind === 'symlink') {
      expect(fs.readlinkSync(file, { encoding: 'latin1' })).toBe(want.target);
    }
  }
}

describe('a set under random syncs', () => {
  test.each(seeds)('every point reads back as its full copy, seed %i', async (seed) => {
    const random = new Seeded(seed);
    const history = new ModelHistory(seed);
    let set = await openModelSet(folder);
    let sequence = 1;
    for (let sync = 1; sync <= SYNCS; sync += 1) {
      const { point, chain } = set.writer.position();
      const frames = history.next({ point, chain });
      const event = await sendSync(set.writer, { boot, from: sequence, frames });
      sequence += frames.length;
      expect(event.type === 'refused' ? event.error.message : event.type).toBe('committed');
      const newest = history.copies.at(-1);
      if (newest !== undefined) expectBase(newest);
      if (random.chance(0.3)) {
        await set.close();
        set = await openModelSet(folder);
      }
    }
    for (const [index, copy] of history.copies.entries()) {
      const found = await readPoint(set.store, index + 1);
      expect(differences(found, copy), `point ${index + 1}`).toEqual([]);
    }
    await set.close();
  });
});
