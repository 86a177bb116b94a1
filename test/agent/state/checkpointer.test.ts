/** The state's log: brought into the database beside the agent, and whole whenever that is closed. */
import Database from 'better-sqlite3';
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StateDatabase } from '../../../agent/state/state-database.js';
import { until } from '../support/until.js';

/** More than a checkpoint waits for, and fewer pages than SQLite waits for. */
const ROWS = 7_000;

let folder: string;
let base: StateDatabase;
const path = (): string => join(folder, 'state.db');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-log-'));
  base = new StateDatabase(path());
});
afterEach(() => {
  base.close();
  rmSync(folder, { recursive: true });
});

function write(from: number): void {
  const insert = base.db.prepare('INSERT INTO fingerprint VALUES (?, ?, 1)');
  for (let row = from; row < from + ROWS; row += 1) {
    base.writing();
    insert.run(row, Buffer.alloc(32, row));
  }
  base.commit();
}

/** Rows of the closed database's file alone, without its log. */
function rowsOf(file: string): number {
  const copy = join(folder, 'copy.db');
  copyFileSync(file, copy);
  const db = new Database(copy);
  try {
    db.pragma('journal_mode = DELETE');
    return Number(db.prepare('SELECT count(*) FROM fingerprint').pluck().get());
  } finally {
    db.close();
    rmSync(copy);
  }
}

test('state: its log comes into the database without a commit of the agent that waits for it', async () => {
  write(0);
  const before = statSync(path()).size;
  const whole = Number(base.db.pragma('page_count', { simple: true })) * 8192;
  expect(before).toBeLessThan(whole);
  await until('all pages are in the database', () => statSync(path()).size === whole);
});

test('state: closed while its log is brought in, it is whole and leaves no log', () => {
  for (let round = 0; round < 3; round += 1) {
    write(round * ROWS);
    base.close();
    expect(existsSync(`${path()}-wal`)).toBe(false);
    expect(rowsOf(path())).toBe((round + 1) * ROWS);
    base = new StateDatabase(path());
  }
});

test('state: what was committed is flushed without the agent waiting, and nothing of it is lost', async () => {
  write(0);
  await base.flushAhead();
  base.commitDurably(() => {
    base.db.prepare('INSERT INTO fingerprint VALUES (?, ?, 1)').run(ROWS, Buffer.alloc(32));
  });
  base.close();
  expect(rowsOf(path())).toBe(ROWS + 1);
  base = new StateDatabase(path());
});

test('state: a long log that was brought in whole is waited for once, not at every look', async () => {
  const insert = base.db.prepare('INSERT INTO fingerprint VALUES (?, ?, 1)');
  for (let row = 0; row < 9_000; row += 1) {
    base.writing();
    insert.run(row, Buffer.alloc(8_000, row));
  }
  base.commit();
  // The checkpoint that this commit began.
  const whole = Number(base.db.pragma('page_count', { simple: true })) * 8192;
  await until('all pages are in the database', () => statSync(path()).size === whole);
  let waits = 0;
  for (let look = 0; look < 50; look += 1) {
    // Meanwhile the thread tells what it did.
    await sleep(5);
    const wait = base.breathe();
    if (wait === undefined) continue;
    waits += 1;
    await wait;
  }
  expect(waits).toBeLessThanOrEqual(1);
});
