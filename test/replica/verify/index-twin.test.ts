/** The index is put right from its twin, and a point that it does not tell any more is not read. */
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { openIndex } from '../../../replica/index/index-db.js';
import { IndexTwin, repairClosedIndex } from '../../../replica/verify/index-twin.js';
import { ScrubDb } from '../../../replica/verify/scrub-db.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import { Seeded } from '../../support/seeded.js';
import { filesBelow, flipBit, flipRandomBit, scrubOnce } from '../support/scrubbed-set.js';
import { blockRecords, core, nodeRecord, Nodes, pattern, SmallSet } from '../support/small-set.js';

const seed = Number(process.env['SEED'] ?? 11);

let small: SmallSet;
beforeEach(async () => {
  small = await SmallSet.create();
});
afterEach(async () => {
  await small.close();
});

describe('index twin', () => {
  test(`index twin: whatever bits flip in the index, a round puts it right (seed ${seed})`, async () => {
    await scrubOnce(small.open);
    const index = small.at('index.db');
    const before = fs.readFileSync(index);
    const random = new Seeded(seed);
    // The first page has what SQLite checks when it opens the file: see below.
    for (let n = 0; n < 20; n += 1) {
      flipBit(index, { byte: 4096 + random.below(before.length - 4096), bit: random.below(8) });
    }
    const { found, repaired, findings } = await scrubOnce(small.open);
    expect(found).toBeGreaterThan(3);
    expect(repaired).toBe(found);
    expect(findings).toEqual([]);
    expect(fs.readFileSync(index).equals(before)).toBe(true);
    expect(await small.wrongPoints()).toEqual([]);
    expect(await small.goodSync()).toEqual([]);
  });

  test('index twin: rot in the twin is put right from the index', async () => {
    await scrubOnce(small.open);
    const db = new Database(small.at('index-twin.db'));
    db.exec('UPDATE page SET bytes = zeroblob(length(bytes)) WHERE number = 3');
    db.exec('UPDATE page SET sum = zeroblob(16) WHERE number = 4');
    db.close();
    const { found, repaired, findings } = await scrubOnce(small.open);
    expect({ found, repaired, findings }).toEqual({ found: 1, repaired: 1, findings: [] });
    expect(await scrubOnce(small.open)).toMatchObject({ found: 0 });
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('index twin: an index that does not open is put right before it is opened', async () => {
    await scrubOnce(small.open);
    const index = small.at('index.db');
    for (let byte = 0; byte < 16; byte += 1) flipBit(index, { byte, bit: 3 });
    fs.copyFileSync(index, small.at('copy.db'));
    expect(() => openIndex(small.at('copy.db'))).toThrow(/not a database/);
    expect(repairClosedIndex(small.folder, core)).toBe(1);
    await small.reopen();
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('index twin: one that somebody else wrote to is believed, and the twin made anew', async () => {
    await scrubOnce(small.open);
    await small.goodSync();
    // As when a set is closed without a scrub: SQLite empties its log by itself.
    small.open.store.writer.db.pragma('wal_checkpoint(TRUNCATE)');
    const twin = new IndexTwin(small.folder, core);
    expect(twin.isCurrent).toBe(false);
    expect([...twin.suspects()]).toEqual([]);
    await twin.settle(small.open.store.writer, new TimeSlice());
    expect(twin.isCurrent).toBe(true);
    expect([...twin.suspects()].flatMap(({ pages }) => pages)).toEqual([]);
    twin.close();
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('index twin: takes over what syncs write, whatever becomes of the process meanwhile', async () => {
    await scrubOnce(small.open);
    const { writer } = small.open.store;
    writer.db.pragma('wal_autocheckpoint = 0');
    for (let n = 0; n < 5; n += 1) await small.goodSync();
    const twin = new IndexTwin(small.folder, core);
    expect(twin.logBytes).toBeGreaterThan(0);
    await twin.settle(writer, new TimeSlice());
    expect(twin.logBytes).toBe(0);
    twin.close();
    const bits = Array.from({ length: 5 }, () =>
      flipRandomBit(Buffer.from(small.at('index.db')), new Seeded(seed)),
    );
    expect(bits).toHaveLength(5);
    const { found, repaired } = await scrubOnce(small.open);
    expect(repaired).toBe(found);
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('index twin: what a reader keeps in the log is not taken before the index has it', async () => {
    await scrubOnce(small.open);
    const { writer } = small.open.store;
    writer.db.pragma('wal_autocheckpoint = 0');
    await small.goodSync();
    // A reader of this moment: what is written later cannot be moved over what it reads.
    const reader = new Database(small.at('index.db'), { readonly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM point').get();
    await small.goodSync();
    const twin = new IndexTwin(small.folder, core);
    await twin.settle(writer, new TimeSlice());
    expect(twin.logBytes).toBeGreaterThan(0);
    expect(twin.isCurrent).toBe(true);
    expect([...twin.suspects()].flatMap(({ pages }) => pages)).toEqual([]);
    reader.close();
    await twin.settle(writer, new TimeSlice());
    expect(twin.logBytes).toBe(0);
    expect([...twin.suspects()].flatMap(({ pages }) => pages)).toEqual([]);
    twin.close();
  });

  test('index twin: a settling that fails leaves a twin that is not believed', async () => {
    await scrubOnce(small.open);
    const { writer } = small.open.store;
    const twin = new IndexTwin(small.folder, core);
    fs.utimesSync(small.at('index.db'), 1000, 1000);
    await twin.settle(writer, new TimeSlice());
    expect(twin.isCurrent).toBe(true);
    writer.run("INSERT INTO meta (key, value) VALUES ('any', 1)");
    const failing = new TimeSlice();
    failing.breathe = () => Promise.reject(new Error('cut off'));
    await expect(twin.settle(writer, failing)).rejects.toThrow('cut off');
    // As after a power cut that took the file's new time back: lazy file systems write it last.
    fs.utimesSync(small.at('index.db'), 1000, 1000);
    expect(twin.isCurrent).toBe(false);
    expect([...twin.suspects()]).toEqual([]);
    await twin.settle(writer, new TimeSlice());
    expect([...twin.suspects()].flatMap(({ pages }) => pages)).toEqual([]);
    expect(twin.isCurrent).toBe(true);
    twin.close();
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('index twin: one whose own file broke is made anew, and the round goes on', async () => {
    await scrubOnce(small.open);
    const file = small.at('index-twin.db');
    const fd = fs.openSync(file, 'r+');
    for (let at = 65_536; at < fs.statSync(file).size; at += 65_536) {
      fs.writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, at);
    }
    fs.closeSync(fd);
    expect((await scrubOnce(small.open)).findings).toEqual([]);
    const index = small.at('index.db');
    flipBit(index, { byte: fs.statSync(index).size - 1000, bit: 1 });
    expect(await scrubOnce(small.open)).toMatchObject({ found: 1, repaired: 1 });
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('packs: a tail that rotted in the index cuts nothing off that a row names (R4)', async () => {
    for (const salt of [2, 3, 4]) {
      const content = pattern(5000, salt);
      await small.commit([
        nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
        ...blockRecords(Nodes.other, content),
      ]);
    }
    for (const rotted of [{ newest: 1, end: 40 }, undefined]) {
      const { writer } = small.open.store;
      if (rotted === undefined) writer.run("DELETE FROM meta WHERE key = 'pack_tail'");
      else {
        writer.run("UPDATE meta SET value = ? WHERE key = 'pack_tail'", JSON.stringify(rotted));
      }
      await small.reopen();
      expect(await small.wrongPoints()).toEqual([]);
    }
    expect(await small.goodSync()).toEqual([]);
  });

  test('scrub: a point whose rows changed is an error from then on, the others read (promise 2)', async () => {
    const { writer } = small.open.store;
    const content = pattern(5000, 8);
    await small.commit([
      nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
      ...blockRecords(Nodes.other, content),
    ]);
    writer.run(
      'UPDATE node SET mode = mode + 1 WHERE id = ? AND born = ?',
      Nodes.other,
      small.point,
    );
    const { findings } = await scrubOnce(small.open);
    expect(findings).toMatchObject([{ kind: 'point', point: small.point }]);
    const reader = new StoredSetReader(small.open.store);
    expect(() => reader.open(small.point)).toThrow(/does not say any more/);
    reader.open(small.point - 1).close();
  });

  test('scrub: a point that is not read stays so while the next round looks, whatever crashes', () => {
    const db = new ScrubDb(small.folder);
    db.begin(1);
    db.addFinding({ kind: 'point', point: 2, path: null, message: 'its rows changed' });
    db.end(2);
    db.begin(3);
    db.clearFindings();
    db.addFinding({ kind: 'index', point: null, path: null, message: 'something else' });
    db.close();
    const again = new ScrubDb(small.folder);
    expect(again.findings()).toContainEqual(expect.objectContaining({ kind: 'point', point: 2 }));
    again.clearPoints();
    again.end(4);
    expect(again.findings()).toMatchObject([{ kind: 'index' }]);
    again.close();
  });

  test('scrub: a repair that a crash cuts off leaves what was there, and is done by the next', async () => {
    const block = pattern(5000, 2);
    const changed = Buffer.from(block);
    changed.fill(9, 0, 100);
    for (const content of [changed, block]) {
      await small.commit([
        nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
        ...blockRecords(Nodes.other, content),
      ]);
    }
    // The oldest version's pages are in the pack; its twin is what the file holds again.
    for (const pack of filesBelow(small.at('packs'))) flipBit(pack, { byte: 40 });
    const { writer } = small.open.store;
    const durably = writer.durably.bind(writer);
    writer.durably = () => {
      throw new Error('cut off');
    };
    const cut = await scrubOnce(small.open);
    expect(cut.findings.some(({ message }) => message === 'cut off')).toBe(true);
    writer.durably = durably;
    await small.reopen();
    await expect(small.wrongPoints()).rejects.toMatchObject({ code: 'damaged' });
    expect(await scrubOnce(small.open)).toMatchObject({ repaired: 1, damage: [] });
    await small.reopen();
    expect(await small.wrongPoints()).toEqual([]);
  });
});
