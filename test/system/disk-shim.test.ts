/**
 * The fault layer itself: it sees what node:fs, SQLite and our native part do, and does what it is
 * told. A layer that missed calls would make every campaign on top of it look good.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compilerMissing } from '../fault/native-program.js';
import { type CallKind, DiskShim } from '../fault/shim/disk-shim.js';

const missing = compilerMissing();
if (missing !== undefined) console.warn(`the disk shim is not tested: ${missing}`);
const project = fileURLToPath(new URL('../../', import.meta.url));

let folder: string;
let shim: DiskShim;

beforeEach(() => {
  if (missing !== undefined) return;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-shimmed-'));
  shim = new DiskShim(folder);
});
afterEach(() => {
  if (missing !== undefined) return;
  shim.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Runs a script of top-level await with `fs`, `folder`, `Database` and `said` at hand; what it said. */
function run(script: string): { readonly said: string; readonly signal: string | null } {
  const before = `
    import fs from 'node:fs';
    import Database from 'better-sqlite3';
    import { loadPosix } from './dist/shared/posix/load-posix.js';
    const folder = ${JSON.stringify(folder)};
    const posix = loadPosix();
    const code = async (work) => { try { return String(await work()); } catch (error) { return error.code; } };
    const say = (...words) => fs.writeSync(1, words.join(' ') + '\\n');
  `;
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', before + script],
    { cwd: project, env: { ...process.env, ...shim.env }, encoding: 'utf8' },
  );
  if (stderr !== '') throw new Error(stderr);
  return { said: stdout.trim(), signal };
}

function counted(kinds: readonly CallKind[]): Record<string, number> {
  return Object.fromEntries(kinds.map((kind) => [kind, shim.count(kind)]));
}

describe.skipIf(missing !== undefined)('disk shim', () => {
  test('disk shim: sees synchronous, asynchronous and stream calls of node:fs, and nothing else', () => {
    run(`
      fs.writeFileSync(folder + '/a', 'one');
      await fs.promises.writeFile(folder + '/b', 'two');
      await fs.promises.appendFile(folder + '/b', 'three');
      const file = await fs.promises.open(folder + '/b', 'r+');
      await file.write(Buffer.from('x'), 0, 1, 0);
      await file.writev([Buffer.from('y'), Buffer.from('z')], 1);
      await file.sync();
      await file.datasync();
      await file.truncate(2);
      await file.close();
      fs.readFileSync(folder + '/a');
      fs.mkdirSync(folder + '/d');
      fs.renameSync(folder + '/a', folder + '/d/a');
      const d = fs.openSync(folder + '/d', 'r');
      fs.linkSync('/proc/self/fd/' + d + '/a', '/proc/self/fd/' + d + '/l');
      fs.unlinkSync('/proc/self/fd/' + d + '/l');
      fs.symlinkSync('x', folder + '/s');
      fs.rmSync(folder + '/d', { recursive: true });
      fs.writeFileSync('/dev/null', 'elsewhere');
    `);
    expect(
      counted([
        'write',
        'fsync',
        'fdatasync',
        'truncate',
        'rename',
        'create',
        'link',
        'unlink',
        'mkdir',
      ]),
    ).toEqual({
      write: 5,
      fsync: 1,
      fdatasync: 1,
      truncate: 1,
      rename: 1,
      create: 3,
      link: 2,
      // rm tries the full folder first
      unlink: 4,
      mkdir: 1,
    });
    expect(shim.count('read')).toBeGreaterThan(0);
  });

  test('disk shim: sees what SQLite and the native part write and flush', () => {
    const flushes: readonly CallKind[] = ['fsync', 'fdatasync'];
    run(`
      const db = new Database(folder + '/x.db');
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
      db.close();
      const fd = fs.openSync(folder, 'r');
      await posix.syncfs(fd);
      posix.syncfsSync(fd);
    `);
    const sqlite = Object.values(counted(flushes)).reduce((sum, count) => sum + count);
    expect(sqlite).toBeGreaterThan(2);
    expect(shim.count('write')).toBeGreaterThan(5);
    if (fs.existsSync(path.join(project, 'native/build/Release/afterimage_native.node')))
      expect(shim.count('syncfs')).toBe(2);
  });

  test('disk shim: fails the calls named, by number, kind and path, until the rule is lifted', () => {
    shim.arm({ kinds: ['write'], from: 2, times: 1, action: 'fail', errno: 'ENOSPC' });
    shim.arm({ kinds: ['rename'], action: 'fail', errno: 'EROFS', match: '/to' });
    const lifted = shim.arm({ kinds: ['unlink'], action: 'fail', errno: 'EDQUOT' });
    lifted.lift();
    const { said } = run(`
      for (const name of ['1', '2', '3']) say(await code(() => fs.writeFileSync(folder + '/' + name, 'x')));
      say(await code(() => fs.renameSync(folder + '/1', folder + '/to')));
      say(await code(() => fs.renameSync(folder + '/1', folder + '/other')));
      say(await code(() => fs.unlinkSync(folder + '/2')));
    `);
    expect(said.split('\n')).toEqual([
      'undefined',
      'ENOSPC',
      'undefined',
      'EROFS',
      'undefined',
      'undefined',
    ]);
  });

  test('disk shim: gives SQLite the errors that it knows', () => {
    const rule = shim.arm({ kinds: ['fsync', 'fdatasync'], from: 4, action: 'fail' });
    const full = shim.arm({ kinds: ['write'], action: 'fail', errno: 'ENOSPC', match: 'full.db' });
    const { said } = run(`
      const db = new Database(folder + '/x.db');
      say(await code(() => { db.pragma('journal_mode = WAL'); }));
      say(await code(() => { db.exec('CREATE TABLE t (x)'); }));
      for (let n = 0; n < 6; n += 1) say(await code(() => { db.exec('INSERT INTO t VALUES (1)'); }));
      say(await code(() => { new Database(folder + '/full.db').exec('CREATE TABLE t (x)'); }));
    `);
    expect(said).toContain('SQLITE_IOERR_FSYNC');
    expect(said).toContain('SQLITE_FULL');
    expect(rule.hit()).toBeGreaterThan(0);
    expect(full.hit()).toBeGreaterThan(0);
  });

  test('disk shim: writes and reads fall short, flushes lie, and a failed flush loses what was written', () => {
    shim.remember();
    const short = shim.arm({ kinds: ['write', 'read'], action: 'short', match: '/short' });
    const lie = shim.arm({ kinds: ['fsync'], action: 'lie', match: '/lie' });
    shim.arm({ kinds: ['fsync'], from: 2, times: 1, action: 'lose', match: '/lose' });
    const { said } = run(`
      const file = (name) => fs.openSync(folder + '/' + name, 'w+');
      const short = file('short');
      say(fs.writeSync(short, 'abcdefgh'), fs.readSync(short, Buffer.alloc(4), 0, 4, 0));
      say(await code(() => fs.fsyncSync(file('lie'))));
      const lose = file('lose');
      fs.writeSync(lose, 'old old', 0);
      fs.fsyncSync(lose);
      fs.writeSync(lose, 'new', 0);
      fs.writeSync(lose, 'er', 1);
      say(await code(() => fs.fsyncSync(lose)), await code(() => fs.fsyncSync(lose)));
      say(fs.readFileSync(folder + '/lose', 'utf8'));
    `);
    expect(said.split('\n')).toEqual(['8 2', 'undefined', 'EIO undefined', 'old old']);
    // libuv writes on after a short write
    expect([short.hit(), lie.hit()]).toEqual([5, 1]);
  });

  test('disk shim: kills the process before the call named', () => {
    shim.arm({ kinds: ['write'], from: 2, times: 1, action: 'kill' });
    const { said, signal } = run(`
      for (const name of ['1', '2', '3']) { fs.writeFileSync(folder + '/' + name, 'x'); say(name); }
    `);
    expect({ said, signal }).toEqual({ said: '1', signal: 'SIGKILL' });
    expect(fs.readFileSync(path.join(folder, '2'), 'utf8')).toBe('');
  });

  test('disk shim: shifts the clock on the wall, forth and back, and no other clock', () => {
    for (const hours of [5, -5]) {
      shim.shiftClock(hours * 3_600_000);
      const { said } = run(`
        say(Date.now(), new Date().getTime(), performance.now());
        say(new Database(':memory:').prepare("SELECT unixepoch() * 1000 AS ms").get().ms);
      `);
      const [line = '', sqlite = ''] = said.split('\n');
      const [now = 0, made = 0, monotonic = 0] = line.split(' ').map(Number);
      const expected = Date.now() + hours * 3_600_000;
      for (const at of [now, made, Number(sqlite)])
        expect(Math.abs(at - expected)).toBeLessThan(20_000);
      expect(monotonic).toBeLessThan(20_000);
    }
  });

  test('disk shim: makes a slow disk', () => {
    shim.slowDown(['write'], 100);
    const { said } = run(`
      const startMs = performance.now();
      fs.writeFileSync(folder + '/a', 'x');
      say(performance.now() - startMs);
    `);
    expect(Number(said)).toBeGreaterThan(99);
  });
});
