/** Names, moves and metadata: what is recognised without sending content (promise 9, R1, R16). */
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

const posix = loadPosix();
let bench: AgentBench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => {
  bench.close();
});

const at = (...names: string[]): string => join(bench.root, ...names);

/** Syncs, checks that the point is the tree, and returns the records by type. */
async function synced(): Promise<Record<string, number>> {
  await bench.sync({ always: true });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  return bench.session.replica.counts;
}

test('names: a renamed file sends a link and an unlink and no content', async () => {
  writeFileSync(at('a'), 'content');
  await synced();
  renameSync(at('a'), at('b'));
  const counts = await synced();
  expect(counts).toMatchObject({ link: 1, unlink: 1 });
  expect(bench.session.replica.literalBytes).toBe(0);
  expect(counts['copy']).toBeUndefined();
});

test('names: a folder of 2,000 files moves with one link and one unlink', async () => {
  mkdirSync(at('from'));
  mkdirSync(at('to'));
  for (let file = 0; file < 2_000; file += 1) writeFileSync(at('from', `f${file}`), `${file}`);
  await synced();
  renameSync(at('from'), at('to', 'moved'));
  const counts = await synced();
  expect(counts['link']).toBe(1);
  expect(counts['unlink']).toBe(1);
  expect(bench.session.replica.literalBytes).toBe(0);
});

test('names: folders that change places, up, down and into each other, stay the same nodes', async () => {
  mkdirSync(at('a', 'b', 'c'), { recursive: true });
  writeFileSync(at('a', 'b', 'c', 'file'), 'x');
  await synced();
  const node = nodeAt('a', 'b', 'c', 'file');
  renameSync(at('a', 'b'), at('b'));
  renameSync(at('a'), at('b', 'c', 'a'));
  await synced();
  expect(nodeAt('b', 'c', 'file')).toBe(node);
  expect(bench.session.replica.literalBytes).toBe(0);
});

test('names: two files that swap names keep their content unsent', async () => {
  writeFileSync(at('a'), 'of a');
  writeFileSync(at('b'), 'of b');
  await synced();
  const [a, b] = [nodeAt('a'), nodeAt('b')];
  renameSync(at('a'), at('x'));
  renameSync(at('b'), at('a'));
  renameSync(at('x'), at('b'));
  await synced();
  expect([nodeAt('a'), nodeAt('b')]).toEqual([b, a]);
  expect(bench.session.replica.literalBytes).toBe(0);
});

test('names: a name that only changes its case is a rename', async () => {
  writeFileSync(at('readme'), 'x');
  await synced();
  renameSync(at('readme'), at('README'));
  expect(await synced()).toMatchObject({ link: 1, unlink: 1 });
});

test('names: hard links are one node, made, added and taken away', async () => {
  writeFileSync(at('a'), 'shared');
  linkSync(at('a'), at('b'));
  mkdirSync(at('sub'));
  await synced();
  expect(nodeAt('a')).toBe(nodeAt('b'));
  linkSync(at('b'), at('sub', 'c'));
  await synced();
  expect(nodeAt('sub', 'c')).toBe(nodeAt('a'));
  expect(bench.session.replica.literalBytes).toBe(0);
  rmSync(at('a'));
  rmSync(at('b'));
  await synced();
});

test('names: a file that becomes a folder and a folder that becomes a file are new nodes', async () => {
  writeFileSync(at('file'), 'x');
  mkdirSync(at('folder', 'deep'), { recursive: true });
  writeFileSync(at('folder', 'deep', 'y'), 'y');
  await synced();
  rmSync(at('file'));
  rmSync(at('folder'), { recursive: true });
  mkdirSync(at('file'));
  writeFileSync(at('folder'), 'now a file');
  await synced();
});

test('names: a file moved out of a removed folder is the same node', async () => {
  mkdirSync(at('gone', 'deep'), { recursive: true });
  writeFileSync(at('gone', 'deep', 'kept'), 'kept');
  await synced();
  const node = nodeAt('gone', 'deep', 'kept');
  renameSync(at('gone', 'deep', 'kept'), at('zz'));
  rmSync(at('gone'), { recursive: true });
  await synced();
  expect(nodeAt('zz')).toBe(node);
  expect(bench.session.replica.literalBytes).toBe(0);
});

test('names: bytes that are not UTF-8, controls and the longest names come through', async () => {
  const names = [
    Buffer.from([0xff, 0xfe, 0x80]),
    Buffer.from('new\nline'),
    Buffer.from('back\\slash'),
    Buffer.alloc(255, 0x61),
    Buffer.from('ümlaut-日本'),
  ];
  for (const name of names) {
    const folder = Buffer.concat([Buffer.from(`${bench.root}/`), name]);
    mkdirSync(folder);
    writeFileSync(Buffer.concat([folder, Buffer.from('/'), name]), name);
  }
  await synced();
});

test('names: a tree deeper than PATH_MAX is carried whole', async () => {
  const name = 'n'.repeat(200);
  const depth = 40;
  let cwd = process.cwd();
  try {
    process.chdir(bench.root);
    for (let level = 0; level < depth; level += 1) {
      mkdirSync(name);
      process.chdir(name);
      writeFileSync('file', `${level}`);
    }
  } finally {
    process.chdir(cwd);
  }
  await bench.sync();
  const files = [...bench.session.replica.state.nodes.values()].filter(
    ({ record }) => record.kind === 'file',
  );
  expect(files).toHaveLength(depth);
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
  // Node's own rm takes no path this long.
  cwd = bench.root;
  for (let top = readdirSync(cwd)[0]; top !== undefined; top = readdirSync(cwd)[0]) {
    renameSync(join(cwd, top), join(bench.folder, 'top'));
    for (const child of readdirSync(join(bench.folder, 'top'))) {
      renameSync(join(bench.folder, 'top', child), join(cwd, child));
    }
    rmSync(join(bench.folder, 'top'), { recursive: true });
    rmSync(join(cwd, 'file'), { force: true });
  }
});

test('names: mode, times and attributes send a node record and nothing else', async () => {
  writeFileSync(at('file'), Buffer.alloc(200_000, 'x'));
  await synced();
  chmodSync(at('file'), 0o4711);
  utimesSync(at('file'), 1, 1_000_000_000.5);
  if (posix.native)
    posix.setXattr(Buffer.from(at('file')), Buffer.from('user.a'), Buffer.from('b'));
  const counts = await synced();
  expect(counts).toEqual({ begin: 1, node: 1, end: 1 });
});

test('names: links, FIFOs, sockets and empty folders come as what they are', async () => {
  symlinkSync('../nowhere', at('link'));
  symlinkSync(Buffer.from([0x80, 0xff]), at('odd'));
  mkdirSync(at('empty'));
  posix.mknod(Buffer.from(at('fifo')), 0o010640, 0);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(at('socket'), resolve));
  try {
    await synced();
    const kinds = [...bench.session.replica.state.nodes.values()].map(({ record }) => record.kind);
    expect(kinds.sort()).toEqual(['fifo', 'folder', 'folder', 'socket', 'symlink', 'symlink']);
  } finally {
    server.close();
  }
});

test('names: an unchanged tree sends nothing, and a manual sync cuts an empty point', async () => {
  writeFileSync(at('file'), 'x');
  await synced();
  expect(await bench.sync()).toMatchObject({ type: 'unchanged' });
  expect(await bench.sync({ always: true })).toMatchObject({ type: 'committed', point: 2 });
  expect(bench.session.replica.counts).toEqual({ begin: 1, end: 1 });
});

function nodeAt(...names: string[]): number | undefined {
  const { entries } = bench.session.replica.state;
  let node = entries.get('1/root');
  for (const name of names) node = entries.get(`${node ?? 0}/${name}`);
  return node;
}
