import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { IndexDb } from '../../../replica/index/index-db.js';
import { ManyRows } from '../../../replica/index/many-rows.js';

const opened: IndexDb[] = [];

function openDb(): IndexDb {
  const db = new IndexDb(new Database(':memory:'));
  db.db.exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)');
  opened.push(db);
  return db;
}

afterEach(() => {
  for (const db of opened.splice(0)) db.close();
});

const table = { head: 'INSERT OR REPLACE INTO t (a, b)', columns: 2 } as const;

test.each([0, 1, 3, 4, 63, 64, 65, 150, 1000])(
  'many rows: %i rows are all there once flushed, in their order',
  (count) => {
    const db = openDb();
    const rows = new ManyRows(db, table);
    for (let a = 0; a < count; a += 1) rows.add(a, Buffer.from([a & 255]));
    rows.flush();
    const stored = db.all<{ a: number; b: Buffer }>('SELECT a, b FROM t ORDER BY a');
    expect(stored.map(({ a }) => a)).toEqual(Array.from({ length: count }, (_, a) => a));
    expect(stored.every(({ a, b }) => b.equals(Buffer.from([a & 255])))).toBe(true);
  },
);

test('many rows: the last word on a key counts, in one statement as in several', () => {
  const db = openDb();
  const rows = new ManyRows(db, table);
  for (let at = 0; at < 100; at += 1) rows.add(at % 3, Buffer.from([at]));
  rows.flush();
  expect(db.all('SELECT a, b FROM t ORDER BY a')).toEqual([
    { a: 0, b: Buffer.from([99]) },
    { a: 1, b: Buffer.from([97]) },
    { a: 2, b: Buffer.from([98]) },
  ]);
});

test('many rows: what was cleared, and what came with a row that failed, is not written later', () => {
  const db = openDb();
  const rows = new ManyRows(db, { head: 'INSERT INTO t (a, b)', columns: 2 });
  rows.add(1, null);
  rows.clear();
  rows.add(2, null);
  rows.add(2, null);
  expect(() => {
    rows.flush();
  }).toThrow(/UNIQUE/);
  rows.flush();
  rows.add(3, null);
  rows.flush();
  expect(db.all('SELECT a, b FROM t WHERE a <> 2')).toEqual([{ a: 3, b: null }]);
});
