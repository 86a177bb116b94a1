import { chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { RestoreReport, RestoreRequest } from '../../../shared/restore/request.js';
import { restorePoint } from '../../../shared/restore/restore.js';
import { ViewSource } from '../../../replica/restore/view-source.js';
import { describeDisk, removeFolder } from '../support/disk-tree.js';
import { MemorySet } from '../support/memory-set.js';

const hash = createHashCore();
const posix = loadPosix();
const root = process.geteuid?.() === 0;
const OTHER = 12_345;
if (!root) console.log('skipped: acting as another user takes root');

let folder: string;
let target: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-unprivileged-'));
  target = join(folder, 'target');
  mkdirSync(target);
  chownSync(folder, OTHER, OTHER);
  chownSync(target, OTHER, OTHER);
});

afterEach(() => {
  removeFolder(posix, folder);
});

/** Runs as a user without rights. */
async function restoreAsOther(
  set: MemorySet,
  request: Partial<RestoreRequest> = {},
): Promise<RestoreReport> {
  const view = set.open(1);
  process.setegid?.(OTHER);
  process.seteuid?.(OTHER);
  try {
    return await restorePoint(
      new ViewSource(view, hash),
      {
        target: { type: 'folder', folder: Buffer.from(target) },
        mode: 'in-place',
        orphans: { type: 'leave' },
        effect: 'write',
        paths: [],
        ...request,
      },
      { posix, hash, signal: new AbortController().signal },
    );
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    view.close();
  }
}

describe.skipIf(!root)('restore without rights', () => {
  it('owners, setuid bits and devices: are left out and said once; the rest comes back', async () => {
    const set = new MemorySet('shop', hash);
    set.cut((tree) =>
      tree
        .folder('app', { mode: 0o550 })
        .file('app/own', 'o', { mode: 0o4755, uid: OTHER, gid: OTHER })
        .file('app/roots', 'r', { mode: 0o6755 })
        .file('app/unreadable', 'u', { mode: 0 })
        .special('app/null', 'char', { rdev: 0x103 })
        .folder('app/sub', { mode: 0o500 })
        .file('app/sub/f', 'f'),
    );
    const report = await restoreAsOther(set);
    expect(report.problems).toEqual([]);
    expect([...report.notes].sort()).toEqual([
      expect.stringMatching(/^character devices do not come back: EPERM/),
      expect.stringMatching(/^owners do not come back: that takes root \(\d times\)/),
      expect.stringMatching(/^setuid and setgid bits are left out with the owner/),
    ]);
    const disk = describeDisk(posix, target);
    const told = Object.entries(disk).map(([path, { mode, owner }]) => `${path} ${mode} ${owner}`);
    const owner = `${OTHER}:${OTHER}`;
    expect(told).toEqual([
      `app 550 ${owner}`,
      `app/own 4755 ${owner}`,
      `app/roots 755 ${owner}`,
      `app/sub 500 ${owner}`,
      `app/sub/f 644 ${owner}`,
      `app/unreadable 0 ${owner}`,
    ]);
  });

  it('files that their owner may not write: are patched nevertheless, and those of others reported', async () => {
    const set = new MemorySet('shop', hash);
    set.cut((tree) =>
      tree.folder('app').file('app/foreign', 'then').file('app/mine', 'then', { mode: 0o400 }),
    );
    mkdirSync(join(target, 'app'));
    chownSync(join(target, 'app'), OTHER, OTHER);
    for (const name of ['foreign', 'mine']) {
      writeFileSync(join(target, 'app', name), 'now!', { mode: 0o444 });
    }
    chownSync(join(target, 'app/mine'), OTHER, OTHER);
    const report = await restoreAsOther(set);
    expect(readFileSync(join(target, 'app/mine'), 'utf8')).toBe('then');
    expect(readFileSync(join(target, 'app/foreign'), 'utf8')).toBe('now!');
    expect(report.problems).toMatchObject([
      { error: { code: 'storage-failed', facts: { path: 'app/foreign' } } },
    ]);
  });
});
