/**
 * A start removes what no row names (R4), but not on the word of an index that rotted: what is gone
 * cannot come back when the index is put right (promise 2).
 */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SetStore } from '../../replica/history/set-store.js';
import { Place } from '../../replica/index/schema.js';
import { ScrubDb } from '../../replica/verify/scrub-db.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { filesBelow, scrubOnce } from './support/scrubbed-set.js';
import { core, SmallSet } from './support/small-set.js';

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
  await set.goodSync();
  set.open.store.packs.roll();
  await set.goodSync();
});
afterEach(async () => {
  await set.close();
});

const posix = loadPosix();

/** What is in the attic and the packs, with sizes. */
function history(): string[] {
  return ['attic', 'packs'].flatMap((part) =>
    filesBelow(set.at(part)).map((file) => `${file.toString()}: ${fs.statSync(file).size}`),
  );
}

/** Rows of the index change, and nothing that the file system says of its file, as rot does. */
function rot(sql: string): void {
  const file = set.at('index.db');
  const { mtimeNs, size } = posix.lstat(Buffer.from(file));
  const db = new Database(file);
  db.exec(sql);
  db.close();
  expect(fs.statSync(file).size).toBe(size);
  posix.setMtime(Buffer.from(file), mtimeNs);
}

const loseAttic = `DELETE FROM body WHERE place = ${Place.attic}`;
const loseAtticWhole = `
  DELETE FROM digests WHERE body IN (SELECT id FROM body WHERE place = ${Place.attic});
  DELETE FROM before WHERE body IN (SELECT id FROM body WHERE place = ${Place.attic});
  ${loseAttic}`;

describe('sweep at start (R4)', () => {
  test('sweep: what no row names goes, and the rest stays', async () => {
    const before = history();
    expect(before.length).toBeGreaterThan(2);
    await scrubOnce(set.open);
    await set.reopen(() => {
      fs.writeFileSync(set.at('attic', '0', '999'), 'nobody names it');
      fs.writeFileSync(set.at('packs', '00000009.pack'), 'nor it');
    });
    expect(history()).toEqual(before);
    expect(await set.wrongPoints()).toEqual([]);
  });

  test('sweep: nothing goes while the index is not what its twin says; put right, all reads back', async () => {
    await scrubOnce(set.open);
    const before = history();
    await set.reopen(() => {
      rot(`${loseAtticWhole}; UPDATE before SET pack = NULL;
        UPDATE meta SET value = '{"newest":1,"end":0}' WHERE key = 'pack_tail'`);
    });
    expect(history()).toEqual(before);
    const { repaired, findings } = await scrubOnce(set.open);
    expect(repaired).toBeGreaterThan(0);
    expect(findings).toEqual([]);
    expect(await set.wrongPoints()).toEqual([]);
    expect(await set.goodSync()).toEqual([]);
  });

  test('sweep: without a twin, nothing goes that rows of its content speak for', async () => {
    const before = history();
    await set.reopen(() => {
      rot(loseAttic);
    });
    expect(history()).toEqual(before);
  });

  test('sweep: without a twin, no pack goes while rows name packs that are not there', async () => {
    const before = history();
    await set.reopen(() => {
      rot('UPDATE before SET pack = 0 WHERE pack = 1');
    });
    expect(history()).toEqual(before);
  });

  test('sweep: nothing goes once a scrub found the index damaged', async () => {
    const scrub = new ScrubDb(set.folder);
    scrub.begin(1);
    scrub.addFinding({ kind: 'index', point: null, path: null, message: 'it contradicts itself' });
    scrub.close();
    fs.writeFileSync(set.at('attic', '0', '999'), 'nobody names it');
    const before = history();
    await set.reopen();
    expect(history()).toEqual(before);
  });

  test('sweep: what lies in the park is set aside when the index may have said that it is needed', async () => {
    await scrubOnce(set.open);
    await set.reopen(() => {
      rot(loseAttic);
      fs.writeFileSync(set.at('park', '5.0'), 'a body between two places');
    });
    expect(filesBelow(set.at('strays')).map((file) => fs.readFileSync(file, 'utf8'))).toEqual([
      'a body between two places',
    ]);
    expect(set.strays()).toEqual([]);
  });

  test('set store: one that does not open leaves no connection behind', async () => {
    await set.reopen(() => {
      fs.mkdirSync(set.at('packs', '00000009.pack'));
      expect(() => new SetStore({ set: 'model', folder: set.folder, core })).toThrow();
      fs.rmdirSync(set.at('packs', '00000009.pack'));
      expect(openBelow(set.folder)).toEqual([]);
    });
    expect(await set.wrongPoints()).toEqual([]);
  });
});

/** Files below a folder that this process has open. */
function openBelow(folder: string): string[] {
  return fs
    .readdirSync('/proc/self/fd')
    .map((fd) => linkOf(path.join('/proc/self/fd', fd)))
    .filter((file) => file.startsWith(folder));
}

function linkOf(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}
