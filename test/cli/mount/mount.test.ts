import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import fs from 'node:fs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import os from 'node:os';
import path from 'node:path';
import { runMount, type RunningMount } from '../../../cli/mount/run-mount.js';
import type { MountScope } from '../../../cli/mount/layout.js';
import { silentLog } from '../../../shared/log.js';
import { TestReplica, TOKEN } from '../support/served-memory.js';

const run = promisify(execFile);
const { readFile, readdir, lstat, readlink } = fs.promises;
let replica: TestReplica;
let folder: string;
let mounts: RunningMount[] = [];

beforeEach(async () => {
  replica = new TestReplica();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-mount-test-'));
  replica.set.cut(
    (tree) => {
      tree
        .folder('app')
        .file('app/a.txt', 'first')
        .folder('app/deep')
        .file('app/deep/b', Buffer.alloc(300_000, 7));
      tree.symlink('app/link', 'a.txt').link('app/again', 'app/a.txt');
    },
    { timeMs: Date.UTC(2031, 0, 1, 10) },
  );
  replica.set.cut((tree) => tree.file('app/a.txt', 'second'), { timeMs: Date.UTC(2031, 0, 2, 10) });
  await replica.start();
});
afterEach(async () => {
  for (const mount of mounts) await mount.stop();
  mounts = [];
  await replica.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function mount(scope: MountScope, at = path.join(folder, 'at')): Promise<string> {
  mounts.push(
    await runMount(
      {
        connection: { url: replica.url, token: TOKEN },
        scope,
        folder: at,
        records: path.join(folder, 'records'),
        patienceMs: 500,
      },
      silentLog,
    ),
  );
  return at;
}

describe('mount', () => {
  test('mount: a point is there', async () => {
    const at = await mount({ type: 'point', set: 'shop', point: 1 });
    expect(await readdir(at)).toEqual(['app']);
    expect((await readdir(`${at}/app`)).sort()).toEqual(['a.txt', 'again', 'deep', 'link']);
    expect(await readFile(`${at}/app/a.txt`, 'utf8')).toBe('first');
    expect((await readFile(`${at}/app/deep/b`)).equals(Buffer.alloc(300_000, 7))).toBe(true);
    expect(await readlink(`${at}/app/link`)).toBe('a.txt');
    const status = await lstat(`${at}/app/again`);
    expect([status.nlink, status.size]).toEqual([2, 5]);
  });
  test('mount: sets', async () => {
    const at = await mount({ type: 'sets' });
    const { stdout } = await run('find', [at, '-ls']);
    expect(stdout).toContain('/shop/2031-01-01T10:00:00Z/app/deep/b');
    expect(await readFile(`${at}/shop/latest/app/a.txt`, 'utf8')).toBe('second');
  });
});
