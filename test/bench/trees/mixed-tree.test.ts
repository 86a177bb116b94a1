import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compress } from 'zstd-napi';
import { type MixedTree, writeMixedTree } from '../../../bench/trees/mixed-tree.js';
import {
  changeOnePercent,
  changePages,
  insertInFront,
  renameFolder,
} from '../../../bench/trees/mutations.js';
import { digestTree } from '../../../bench/trees/tree-digest.js';

const SCALE = 0.01;

let folder: string;
let tree: MixedTree;

function contentOf(path: string): string {
  return digestTree(path, { metadata: 'without' });
}

/** Small files by path, and the digest of each one's content. */
function smallFiles(of: MixedTree): Map<string, string> {
  const files = readdirSync(of.small, { withFileTypes: true, recursive: true });
  return new Map(
    files
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(of.small.length), readFileSync(path, 'latin1')]),
  );
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-trees-'));
  tree = writeMixedTree({ folder: join(folder, 'tree'), scale: SCALE, seed: 7 });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('mixed tree', () => {
  test('tree: is the same for the same seed after the same changes, and another for another', () => {
    const twin = writeMixedTree({ folder: join(folder, 'twin'), scale: SCALE, seed: 7 });
    const other = writeMixedTree({ folder: join(folder, 'other'), scale: 0.001, seed: 8 });
    const small = writeMixedTree({ folder: join(folder, 'small'), scale: 0.001, seed: 7 });
    expect(contentOf(twin.folder)).toBe(contentOf(tree.folder));
    expect(contentOf(other.folder)).not.toBe(contentOf(small.folder));
    for (const one of [tree, twin]) {
      changeOnePercent(one, 1);
      changePages(one, 10, 2);
      insertInFront(one, 100, 3);
      renameFolder(one, 4);
    }
    expect(contentOf(twin.folder)).toBe(contentOf(tree.folder));
  });

  test('small files: are many, short, a fifth of them repeated, and compress about three times', () => {
    const contents = [...smallFiles(tree).values()];
    expect(contents).toHaveLength(40_000 * SCALE);
    const sizes = contents.map(({ length }) => length);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(512);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1024);
    const repeated = contents.length - new Set(contents).size;
    expect(repeated / contents.length).toBeGreaterThan(0.15);
    expect(repeated / contents.length).toBeLessThan(0.25);
    const text = Buffer.from([...new Set(contents)].join(''), 'latin1');
    const ratio = text.length / compress(text).length;
    expect(ratio).toBeGreaterThan(2.5);
    expect(ratio).toBeLessThan(4);
  });

  test('paged file: has empty pages among full ones', () => {
    const bytes = readFileSync(tree.paged);
    const pages = bytes.length / 4096;
    let empty = 0;
    for (let at = 0; at < bytes.length; at += 4096) {
      if (bytes.subarray(at, at + 4096).every((byte) => byte === 0)) empty += 1;
    }
    expect(empty / pages).toBeGreaterThan(0.15);
    expect(empty / pages).toBeLessThan(0.25);
  });
});

describe('changes of a tree', () => {
  test('one percent: rewrites, adds, removes and moves the shares that it says', () => {
    const before = smallFiles(tree);
    changeOnePercent(tree, 1);
    const after = smallFiles(tree);
    const place = (path: string): string => path.replace(/^\/[^/]+/, '');
    const old = new Map([...before].map(([path, content]) => [place(path), content]));
    const kept = [...after].filter(([path]) => old.has(place(path)));
    expect(after.size - kept.length).toBe(2);
    expect(before.size - kept.length).toBe(1);
    expect(kept.filter(([path, content]) => old.get(place(path)) !== content)).toHaveLength(4);
    expect(kept.some(([path]) => !before.has(path))).toBe(true);
  });

  test('pages: as many as told differ, and the size stands', () => {
    const before = readFileSync(tree.paged);
    changePages(tree, 50, 1);
    const after = readFileSync(tree.paged);
    expect(after.length).toBe(before.length);
    let changed = 0;
    for (let at = 0; at < after.length; at += 4096) {
      if (!after.subarray(at, at + 4096).equals(before.subarray(at, at + 4096))) changed += 1;
    }
    expect(changed).toBe(50);
  });

  test('insert: puts bytes before what the document was', () => {
    const before = readFileSync(tree.document);
    insertInFront(tree, 100, 1);
    expect(statSync(tree.document).size).toBe(7_000_100);
    expect(readFileSync(tree.document).subarray(100).equals(before)).toBe(true);
  });

  test('rename: gives one folder another name and touches no file', () => {
    const before = [...smallFiles(tree).values()].sort();
    const names = readdirSync(tree.small);
    renameFolder(tree, 1);
    expect(readdirSync(tree.small).filter((name) => !names.includes(name))).toHaveLength(1);
    expect([...smallFiles(tree).values()].sort()).toEqual(before);
  });
});

describe('tree digest', () => {
  test('digest: sees a mode only when asked to, a byte always', () => {
    const digests = (): string[] =>
      (['with', 'without'] as const).map((metadata) => digestTree(tree.log, { metadata }));
    const [before, bare] = digests();
    chmodSync(tree.log, 0o600);
    const [after, same] = digests();
    expect(after).not.toBe(before);
    expect(same).toBe(bare);
    writeFileSync(tree.log, readFileSync(tree.log).fill(1, 0, 1));
    expect(digests()[1]).not.toBe(bare);
  });
});
