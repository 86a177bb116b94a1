/**
 * Mass changes through a real agent and a real replica: what encryptors do is an alarm with the last
 * calm point held, what does no harm is none. Margins of many seeds: docs/design/mass-change.md.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Seeded } from '../../support/seeded.js';
import { encryptors, innocents, writeOffice } from '../support/change-scenes.js';
import { type ObservedSet, openObservedSet } from '../support/observed-set.js';

const SEED = Number(process.env['AFTERIMAGE_SEED'] ?? 20_260_105);

let set: ObservedSet;

beforeEach(async () => {
  set = await openObservedSet();
});

afterEach(async () => {
  await set.close();
});

describe('mass change: an encryptor is an alarm with the first sync that has enough of it', () => {
  test.each(Object.keys(encryptors))('%s', async (style) => {
    const random = new Seeded(SEED);
    const files = writeOffice(set.root, random, 120);
    await set.sync();
    fs.appendFileSync(files[0] ?? '', 'a change of everyday');
    const calm = await set.sync();
    const turn = encryptors[style];
    for (const file of files.slice(0, 45)) turn?.(file);
    await set.sync();
    expect(set.alarm()?.facts, `seed ${SEED}`).toMatchObject({
      calmPoint: calm,
      firstPoint: calm + 1,
    });
  });
});

describe('mass change: what does no harm is no alarm', () => {
  test.each(Object.keys(innocents))('%s', async (name) => {
    const random = new Seeded(SEED);
    writeOffice(path.join(set.root, 'office'), random, 40);
    await set.sync();
    await innocents[name]?.(set.root, random, () => set.sync());
    expect(set.alarm(), `seed ${SEED}`).toBeUndefined();
  });
});
