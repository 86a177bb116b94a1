import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import type { QuiesceRecipe, SqliteConfig } from '../../../agent/quiesce/recipe.js';
import { startWatchdog } from '../../../agent/quiesce/watchdog-client.js';
import type { Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { startHoldingAgent } from './holding-agent.js';

let watchdog: Watchdog;
let root: string;
let writer: Writer | undefined;
const never = new AbortController().signal;

beforeAll(async () => {
  watchdog = await startWatchdog({ log: silentLog });
});
afterAll(async () => {
  await watchdog.close();
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-sqlite-'));
});
afterEach(async () => {
  await writer?.stop();
  writer = undefined;
  rmSync(root, { recursive: true, force: true });
});

function createDatabase(name: string, journalMode: string): string {
  const path = join(root, name);
  const database = new Database(path);
  database.pragma(`journal_mode = ${journalMode}`);
  database.exec('CREATE TABLE event (n INTEGER PRIMARY KEY, padding BLOB)');
  database.pragma('user_version = 7');
  database.close();
  return path;
}

/** An application: a process that commits as fast as it can and counts what it is refused. */
class Writer {
  committed = 0;
  refused = 0;
  readonly #child: ChildProcess;

  /** Each write goes to the next database, when the one before it has committed. */
  constructor(paths: readonly string[]) {
    const script = `
      const Database = require('better-sqlite3');
      const inserts = process.argv.slice(1).map((path) =>
        new Database(path, { timeout: 20 })
          .prepare('INSERT INTO event (padding) VALUES (randomblob(300))'));
      let next = 0;
      setInterval(() => {
        try {
          inserts[next].run();
          next = (next + 1) % inserts.length;
          console.log('committed');
        } catch { console.log('refused'); }
      }, 1);`;
    const child = spawn(process.execPath, ['-e', script, ...paths], {
      cwd: process.cwd(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'committed') this.committed += 1;
      else this.refused += 1;
    });
    this.#child = child;
  }

  async commitsAgain(): Promise<void> {
    const before = this.committed;
    await vi.waitFor(
      () => {
        expect(this.committed).toBeGreaterThan(before + 3);
      },
      { timeout: 10_000, interval: 5 },
    );
  }

  async isRefused(): Promise<void> {
    const before = this.refused;
    await vi.waitFor(
      () => {
        expect(this.refused).toBeGreaterThan(before + 3);
      },
      { timeout: 10_000, interval: 5 },
    );
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

async function startWriter(path: string): Promise<Writer> {
  writer = new Writer([path]);
  await writer.commitsAgain();
  return writer;
}

function countRows(path: string): number {
  const database = new Database(path);
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    return Number(database.prepare('SELECT count(*) FROM event').pluck().get());
  } finally {
    database.close();
  }
}

function configure(databases: string[], limits: Partial<SqliteConfig> = {}): SqliteConfig {
  return { kind: 'sqlite', databases, busyTimeoutMs: 5_000, deadlineMs: 20_000, ...limits };
}
function recipe(config: SqliteConfig): QuiesceRecipe {
  return createRecipe(config, { watchdog, clock: systemClock, log: silentLog });
}

/** Process ids of lock holders that this process has started. */
function holders(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  return children
    .split(' ')
    .filter((pid) => pid !== '' && existsSync(`/proc/${pid}`))
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('sqlite-holder'))
    .map(Number);
}

describe.each(['wal', 'delete'])('sqlite, journal_mode %s', (journalMode) => {
  test('no commit happens while held, what is read is whole, the writer goes on after it', async () => {
    const path = createDatabase('app.db', journalMode);
    const application = await startWriter(path);
    const held = await recipe(configure([path])).hold(never);
    const copy = (name: string): string => {
      const target = join(root, name);
      copyFileSync(path, target);
      if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${target}-wal`);
      return target;
    };
    const first = copy('first.db');
    await application.isRefused();
    // Closing descriptors of the files here must not have dropped the holder's locks (R18).
    const second = copy('second.db');
    await application.isRefused();
    const outcome = await held.release();
    await application.commitsAgain();
    expect(outcome).toMatchObject({ intact: true, releasedBy: 'agent', problems: [] });
    expect(outcome.heldMs).toBeGreaterThan(0);
    const rows = countRows(first);
    expect(rows).toBeGreaterThan(0);
    expect(countRows(second)).toBe(rows);
    expect(held.facts).toMatchObject({
      kind: 'sqlite',
      databases: 1,
      'database.0.path': path,
      'database.0.journal_mode': journalMode,
      'database.0.user_version': 7,
    });
    expect(held.facts['version']).toMatch(/^3\./);
    await vi.waitFor(() => {
      expect(holders()).toEqual([]);
    });
  });
});

describe('sqlite', () => {
  test('several databases of both journal modes are held at one instant: none is ahead', async () => {
    const paths = [
      createDatabase('a.db', 'wal'),
      createDatabase('b.db', 'delete'),
      createDatabase('c.db', 'wal'),
    ];
    // Writes to each in turn: at any instant the first is ahead of the last by one row at most.
    const application = new Writer(paths);
    writer = application;
    await application.commitsAgain();
    for (let round = 0; round < 5; round += 1) {
      const held = await recipe(configure(paths)).hold(never);
      await application.isRefused();
      const copies = paths.map((path, at) => {
        const target = join(root, `copy-${at}`);
        for (const part of ['', '-wal']) {
          rmSync(`${target}${part}`, { force: true });
          if (existsSync(`${path}${part}`)) copyFileSync(`${path}${part}`, `${target}${part}`);
        }
        return target;
      });
      expect(await held.release()).toMatchObject({ intact: true });
      const counts = copies.map(countRows);
      const [first = 0, , last = 0] = counts;
      expect([...counts].sort((x, y) => y - x)).toEqual(counts);
      expect(first - last).toBeLessThanOrEqual(1);
      for (const copy of copies) rmSync(`${copy}-shm`, { force: true });
      await application.commitsAgain();
    }
  });

  test('a killed holder releases, and the hold says that it is broken', async () => {
    const path = createDatabase('app.db', 'wal');
    const application = await startWriter(path);
    const held = await recipe(configure([path])).hold(never);
    await application.isRefused();
    const [pid] = holders();
    if (pid === undefined) throw new Error('no holder runs');
    process.kill(pid, 'SIGKILL');
    await application.commitsAgain();
    await vi.waitFor(() => {
      expect(held.broken.aborted).toBe(true);
    });
    expect((await held.release()).intact).toBe(false);
  });

  test('a killed agent releases (promise 6)', async () => {
    const path = createDatabase('app.db', 'wal');
    const application = await startWriter(path);
    const agent = await startHoldingAgent(configure([path]), { until: 'held' });
    await application.isRefused();
    await agent.kill();
    await application.commitsAgain();
  });

  test('a hold past its deadline is ended by the watchdog', async () => {
    const path = createDatabase('app.db', 'wal');
    const application = await startWriter(path);
    const held = await recipe(configure([path], { deadlineMs: 600 })).hold(never);
    await application.isRefused();
    await application.commitsAgain();
    const outcome = await held.release();
    expect(outcome).toMatchObject({ intact: false, releasedBy: 'watchdog' });
  });

  test('a database that somebody else holds fails the hold and lets the others go', async () => {
    const [free, taken] = [createDatabase('a.db', 'wal'), createDatabase('b.db', 'wal')];
    const other = new Database(taken);
    other.exec('BEGIN IMMEDIATE');
    try {
      await expect(
        recipe(configure([taken, free], { busyTimeoutMs: 50 })).hold(never),
      ).rejects.toMatchObject({
        code: 'quiesce-failed',
        message: expect.stringMatching(/b\.db: database is locked/) as string,
      });
      const database = new Database(free, { timeout: 0 });
      database.exec('BEGIN IMMEDIATE; ROLLBACK');
      database.close();
    } finally {
      other.close();
    }
    expect(holders()).toEqual([]);
  });

  test('a deadline while waiting for a writer kills the waiting holder', async () => {
    const path = createDatabase('app.db', 'wal');
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    try {
      const limits = { busyTimeoutMs: 60_000, deadlineMs: 300 };
      await expect(recipe(configure([path], limits)).hold(never)).rejects.toMatchObject({
        code: 'quiesce-deadline',
      });
      await vi.waitFor(() => {
        expect(holders()).toEqual([]);
      });
    } finally {
      other.close();
    }
  });

  test('a missing file, a file that is none, or no file at all: an error that creates nothing', async () => {
    const missing = join(root, 'missing.db');
    const failed = { code: 'quiesce-failed' };
    await expect(recipe(configure([missing])).hold(never)).rejects.toMatchObject(failed);
    expect(existsSync(missing)).toBe(false);
    await expect(recipe(configure([process.execPath])).hold(never)).rejects.toMatchObject(failed);
    await expect(recipe(configure([])).hold(never)).rejects.toMatchObject(failed);
  });
});
