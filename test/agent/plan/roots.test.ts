/** Roots, mounts, patterns and what may not be read: nothing is ever taken for deleted (R17). */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

let bench: AgentBench;
afterEach(() => {
  bench.close();
});

const at = (...names: string[]): string => join(bench.root, ...names);
const isRoot = process.getuid?.() === 0;

function names(): string[] {
  const { entries } = bench.session.replica.state;
  return [...entries.keys()].map((entry) => entry.slice(entry.indexOf('/') + 1)).sort();
}

function mount(...options: string[]): boolean {
  try {
    execFileSync('mount', options, { stdio: 'ignore' });
    return true;
  } catch {
    console.log('skipped: this user may not mount');
    return false;
  }
}

test('roots: a missing root fails the sync and nothing is taken for deleted', async () => {
  bench = openBench();
  writeFileSync(at('file'), 'x');
  await bench.sync();
  renameSync(bench.root, `${bench.root}-away`);
  await expect(bench.sync()).rejects.toMatchObject({ code: 'root-missing' });
  renameSync(`${bench.root}-away`, bench.root);
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
});

test('roots: a root that is another file system fails the sync', async () => {
  bench = openBench();
  writeFileSync(at('file'), 'x');
  await bench.sync();
  if (!mount('-t', 'tmpfs', 'none', bench.root)) return;
  try {
    await expect(bench.sync()).rejects.toMatchObject({
      code: 'root-missing',
      facts: { root: 'root' },
    });
  } finally {
    execFileSync('umount', [bench.root]);
  }
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
});

test('roots: a file system that was only renumbered is the same', async () => {
  bench = openBench();
  writeFileSync(at('file'), 'x');
  await bench.sync();
  bench.set.state.close();
  const db = new Database(join(bench.folder, 'state.db'));
  db.exec('UPDATE device SET dev = dev + 77');
  db.close();
  bench.set.state.close = () => undefined;
  bench.restart();
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
});

test('roots: a root replaced by another folder of its file system is what is there now', async () => {
  bench = openBench();
  writeFileSync(at('old'), 'x');
  await bench.sync();
  renameSync(bench.root, `${bench.root}-old`);
  mkdirSync(bench.root);
  writeFileSync(at('new'), 'y');
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('roots: a link on the way to a root is followed, links below are not', async () => {
  bench = openBench();
  const real = join(bench.folder, 'real');
  renameSync(bench.root, real);
  symlinkSync(real, bench.root);
  writeFileSync(join(real, 'file'), 'x');
  symlinkSync('/etc', join(real, 'etc'));
  await bench.sync();
  expect(names()).toEqual(['etc', 'file', 'root']);
});

test('roots: what is mounted below a root is not walked, and what it hides is not deleted', async () => {
  bench = openBench();
  mkdirSync(at('mnt'));
  writeFileSync(at('mnt', 'hidden'), 'x');
  await bench.sync();
  if (!mount('-t', 'tmpfs', 'none', at('mnt'))) return;
  try {
    writeFileSync(at('mnt', 'foreign'), 'y');
    writeFileSync(at('file'), 'z');
    await bench.sync();
    expect(names()).toEqual(['file', 'hidden', 'mnt', 'root']);
    expect(bench.said).toEqual(['root/mnt is another file system and is not walked']);
  } finally {
    execFileSync('umount', [at('mnt')]);
  }
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('roots: a folder bound to a second place below the root is walked once', async () => {
  bench = openBench();
  mkdirSync(at('a'));
  mkdirSync(at('z'));
  writeFileSync(at('z', 'file'), 'x');
  if (!mount('--bind', at('z'), at('a'))) return;
  try {
    await bench.sync();
    expect(names()).toEqual(['file', 'root', 'z']);
    expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
  } finally {
    execFileSync('umount', [at('a')]);
  }
});

test('roots: several roots are entries of the set, and a file may move between them', async () => {
  bench = openBench();
  const second = join(bench.folder, 'second');
  mkdirSync(second);
  const roots = [
    { name: 'root', path: bench.root },
    { name: 'b', path: second },
  ];
  bench.set = { ...bench.set, roots };
  writeFileSync(at('file'), 'x');
  await bench.sync();
  renameSync(at('file'), join(second, 'file'));
  await bench.sync();
  const both = { root: bench.root, b: second };
  expect(differences(bench.session.replica.state, both)).toEqual([]);
  expect(bench.session.replica.literalBytes).toBe(0);
});

test('patterns: what is excluded is not sent, and goes when it becomes excluded', async () => {
  bench = openBench({ patterns: { include: [], exclude: ['*.tmp', '/cache/'] } });
  mkdirSync(at('cache'));
  mkdirSync(at('sub', 'cache'), { recursive: true });
  for (const path of ['a', 'a.tmp', 'cache/x', 'sub/cache/y', 'sub/b.tmp']) {
    writeFileSync(at(path), path);
  }
  await bench.sync();
  expect(names()).toEqual(['a', 'cache', 'root', 'sub', 'y']);
  renameSync(at('a'), at('b.tmp'));
  await bench.sync();
  expect(names()).toEqual(['cache', 'root', 'sub', 'y']);
});

test('patterns: include names the only files, folders are walked for them', async () => {
  bench = openBench({ patterns: { include: ['*.db'], exclude: ['old.db'] } });
  mkdirSync(at('sub'));
  for (const path of ['x.db', 'x.txt', 'sub/y.db', 'sub/old.db']) writeFileSync(at(path), path);
  await bench.sync();
  expect(names()).toEqual(['root', 'sub', 'x.db', 'y.db']);
});

test('unreadable: a file that may not be read keeps its previous state and is named', async () => {
  if (isRoot) {
    console.log('skipped: root may read everything');
    bench = openBench();
    return;
  }
  bench = openBench();
  writeFileSync(at('secret'), 'one');
  await bench.sync();
  writeFileSync(at('secret'), 'two');
  chmodSync(at('secret'), 0);
  writeFileSync(at('other'), 'x');
  await bench.sync();
  expect(bench.session.replica.outcome?.unreadable).toEqual(['root/secret']);
  const contents = [...bench.session.replica.state.nodes.values()].map(({ content }) =>
    content.toString(),
  );
  expect(contents).toContain('one');
});

test('unreadable: a read that fails keeps the previous state and is named', async () => {
  bench = openBench();
  writeFileSync(at('rotten'), 'one');
  await bench.sync();
  writeFileSync(at('rotten'), 'two');
  writeFileSync(at('new-rotten'), 'x');
  const { posix } = bench.set;
  const failing = Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 });
  bench.set = {
    ...bench.set,
    posix: {
      ...posix,
      getXattrs: (path) => {
        if (path.toString().endsWith('rotten')) throw failing;
        return posix.getXattrs(path);
      },
    },
  };
  await bench.sync({ always: true });
  expect(bench.session.replica.outcome?.unreadable.sort()).toEqual([
    'root/new-rotten',
    'root/rotten',
  ]);
  expect(names()).toEqual(['root', 'rotten']);
  bench.set = { ...bench.set, posix };
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('walk: a file moved into a folder that was walked already is met, not deleted (R16)', async () => {
  bench = openBench();
  mkdirSync(at('a'));
  mkdirSync(at('z'));
  writeFileSync(at('z', 'file'), 'x');
  await bench.sync();
  await bench.sync();
  const { posix } = bench.set;
  let moved = false;
  bench.set = {
    ...bench.set,
    posix: {
      ...posix,
      scanTree: () => undefined,
      scanFolderPacked: (path) => {
        if (path.toString().endsWith('/z') && !moved) {
          moved = true;
          renameSync(at('z', 'file'), at('a', 'file'));
        }
        return posix.scanFolderPacked(path);
      },
    },
  };
  await bench.sync();
  expect(moved).toBe(true);
  expect(names()).toEqual(['a', 'file', 'root', 'z']);
  expect(bench.session.replica.literalBytes).toBe(0);
  // Times of folders that changed after they were scanned come with the next point.
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});
