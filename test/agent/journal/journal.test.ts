/** The journal: coalesced, ordered, durable, bounded, honest about its gaps (promise 4). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Journal } from '../../../agent/journal/journal.js';

let folder: string;
let nowMs: number;
let journal: Journal;
const open = (pathsMax?: number): Journal =>
  new Journal({
    path: join(folder, 'journal.db'),
    clock: { now: () => nowMs, monotonic: () => nowMs },
    ...(pathsMax === undefined ? {} : { pathsMax }),
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-journal-'));
  nowMs = 1_000_000;
  journal = open();
});
afterEach(() => {
  journal.close();
  rmSync(folder, { recursive: true });
});

function record(...paths: string[]): void {
  for (const path of paths) journal.record(Buffer.from(path));
  journal.flush();
}

const recorded = (): string[] => journal.since(0, 1000).map((path) => path.toString());

test('journal: paths are kept once, in the order of their last change', () => {
  record('r/a', 'r/b', 'r/c');
  record('r/a');
  expect(recorded()).toEqual(['r/b', 'r/c', 'r/a']);
});

test('journal: what was recorded survives a restart, and the downtime is a gap', () => {
  record('r/a');
  journal.reconciled(journal.mark());
  record('r/b');
  const { committed } = journal;
  journal.close();
  journal = open();
  expect(recorded()).toEqual(['r/b']);
  expect(journal.committed).toBe(committed);
  expect(journal.gaps()).toMatchObject([{ reason: 'downtime', covers: Buffer.alloc(0) }]);
});

test('journal: a scan closes what was recorded before it began, and nothing later', () => {
  record('r/a');
  const mark = journal.mark();
  record('r/b');
  journal.openGap({ reason: 'watcher', covers: Buffer.from('r') });
  journal.reconciled(mark);
  expect(recorded()).toEqual(['r/b']);
  expect(journal.gaps().map((gap) => gap.reason)).toEqual(['watcher']);
  journal.reconciled(journal.mark());
  expect(journal.gaps()).toEqual([]);
  expect(recorded()).toEqual([]);
});

test('journal: a change of a path that a scan is reading stays for the next', () => {
  record('r/a');
  const mark = journal.mark();
  record('r/a');
  journal.reconciled(mark);
  expect(recorded()).toEqual(['r/a']);
});

test('journal: continuity counts from the end of the last gap', () => {
  expect(journal.continuity()).toEqual({ openGaps: 1, secondsSinceGap: 0 });
  nowMs += 5_000;
  journal.reconciled(journal.mark());
  nowMs += 90_000;
  expect(journal.continuity()).toEqual({ openGaps: 0, secondsSinceGap: 90 });
});

test('journal: past its bound the fullest folders become gaps, and their changes join them', () => {
  journal.close();
  journal = open(100);
  journal.reconciled(journal.mark());
  for (let file = 0; file < 90; file += 1) journal.record(Buffer.from(`r/full/f${file}`));
  record('r/other', 'r/full-not/x');
  for (let file = 0; file < 20; file += 1) journal.record(Buffer.from(`r/full/deep/g${file}`));
  journal.flush();
  expect(journal.gaps()).toMatchObject([{ reason: 'overflow', covers: Buffer.from('r/full') }]);
  expect(recorded()).toEqual(['r/other', 'r/full-not/x']);
  const mark = journal.mark();
  record('r/full/later');
  expect(recorded()).toEqual(['r/other', 'r/full-not/x']);
  journal.reconciled(mark);
  expect(journal.gaps()).toHaveLength(1);
  journal.reconciled(journal.mark());
  expect(journal.gaps()).toEqual([]);
});

test('journal: many folders with a path each collapse into their parent', () => {
  journal.close();
  journal = open(200);
  for (let folderAt = 0; folderAt < 300; folderAt += 1) {
    journal.record(Buffer.from(`r/users/u${folderAt}/inbox`));
  }
  journal.flush();
  const covers = journal.gaps().filter((gap) => gap.reason === 'overflow');
  expect(covers.map((gap) => gap.covers.toString())).toEqual(['r/users']);
  expect(journal.paths).toBe(0);
});

/** Until it is called, no row gets into a table. */
function refuse(table: 'change' | 'gap'): () => void {
  const db = new Database(join(folder, 'journal.db'));
  db.exec(
    `CREATE TRIGGER refuse_${table} BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'full'); END`,
  );
  return () => {
    db.exec(`DROP TRIGGER refuse_${table}`);
    db.close();
  };
}

test('journal: what a failed transaction did not take is written by the next (promise 4)', () => {
  record('r/a');
  const allow = refuse('change');
  journal.record(Buffer.from('r/b'));
  journal.record(Buffer.from('r/c'));
  expect(() => {
    journal.flush();
  }).toThrow('full');
  expect(() => journal.mark()).toThrow('full');
  expect([recorded(), journal.paths]).toEqual([['r/a'], 3]);
  allow();
  const mark = journal.mark();
  expect([recorded(), journal.paths]).toEqual([['r/a', 'r/b', 'r/c'], 3]);
  journal.reconciled(mark);
  expect(journal.paths).toBe(0);
});

test('journal: a gap that cannot be written is open all the same, and written later (promise 4)', () => {
  journal.reconciled(journal.mark());
  const allow = refuse('gap');
  const gap = { reason: 'watcher', covers: Buffer.from('r') } as const;
  expect(() => {
    journal.openGap(gap);
  }).toThrow('full');
  nowMs += 5_000;
  expect(journal.gaps()).toMatchObject([gap]);
  expect(journal.continuity()).toEqual({ openGaps: 1, secondsSinceGap: 0 });
  allow();
  journal.flush();
  journal.close();
  journal = open();
  expect(journal.gaps()).toMatchObject([{ ...gap, openedMs: 1_000_000 }, { reason: 'downtime' }]);
});

test('journal: one that cannot be written does not grow in memory without end', () => {
  journal.close();
  journal = open(100);
  journal.reconciled(journal.mark());
  const allow = [refuse('change'), refuse('gap')];
  for (let file = 0; file < 1_000; file += 1) {
    journal.record(Buffer.from(`r/full/f${file}`));
    if (file % 50 === 0)
      expect(() => {
        journal.flush();
      }).toThrow('full');
  }
  expect(journal.paths).toBeLessThanOrEqual(151);
  for (const again of allow) again();
  journal.flush();
  expect(journal.gaps()).toMatchObject([{ reason: 'overflow', covers: Buffer.from('r/full') }]);
});

test('journal: a gap that is opened again tells since when it is open', () => {
  journal.reconciled(journal.mark());
  const gap = { reason: 'root-missing', covers: Buffer.from('r') } as const;
  journal.openGap(gap);
  const mark = journal.mark();
  nowMs += 60_000;
  journal.openGap(gap);
  expect(journal.gaps()).toMatchObject([{ openedMs: 1_000_000 }]);
  journal.reconciled(mark);
  expect(journal.gaps()).toHaveLength(1);
});

test('journal: names are bytes', () => {
  const name = Buffer.from([0x72, 0x2f, 0xff, 0x00, 0x80]);
  journal.record(name);
  journal.flush();
  expect(journal.since(0, 10)[0]?.equals(name)).toBe(true);
});
