import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeSync } from 'node:fs';
import { below, FolderCursor, openFolder } from '../../../shared/restore/folder-cursor.js';

let folder: string;
let root: number;
let cursor: FolderCursor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-cursor-'));
  root = openFolder(Buffer.from(folder));
  cursor = new FolderCursor((name) => ({ fd: root, name }));
});

afterEach(() => {
  cursor.close();
  closeSync(root);
  rmSync(folder, { recursive: true });
});

const at = (path: string): string[] =>
  readdirSync(below(cursor.at(Buffer.from(path)), Buffer.from('.')));

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('folder cursor', () => {
  it('moving about: is always in the folder asked for', () => {
    for (const path of ['r/a/b', 'r/c/b', 'r/ab']) {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, path, `in ${path.replaceAll('/', '-')}`), '');
    }
    for (const path of ['r/a/b', 'r/c/b', 'r/ab', 'r/a/b', 'r/a/b']) {
      expect(at(path)).toEqual([`in ${path.replaceAll('/', '-')}`]);
    }
    expect(at('r')).toEqual(['a', 'ab', 'c']);
  });

  it('a symbolic link on the way: is refused, at any level', () => {
    mkdirSync(join(folder, 'r/real/sub'), { recursive: true });
    symlinkSync('real', join(folder, 'r/link'));
    symlinkSync('r', join(folder, 'root'));
    expect(() => at('r/link')).toThrow(expect.objectContaining({ code: 'ENOTDIR' }) as Error);
    expect(() => at('r/link/sub')).toThrow();
    expect(() => at('root/real')).toThrow();
    expect(at('r/real')).toEqual(['sub']);
  });

  it('a folder that was missing: is found once it is there', () => {
    mkdirSync(join(folder, 'r'));
    expect(() => at('r/late/er')).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
    mkdirSync(join(folder, 'r/late/er'), { recursive: true });
    expect(at('r/late')).toEqual(['er']);
  });

  it('hundreds of levels: cost few descriptors, and going back up works', () => {
    const before = descriptors();
    const names = Array.from({ length: 300 }, (_, depth) => `d${depth}`);
    mkdirSync(join(folder, 'r', ...names), { recursive: true });
    for (let depth = 0; depth <= names.length; depth += 1) {
      expect(at(['r', ...names.slice(0, depth)].join('/'))).toHaveLength(depth < 300 ? 1 : 0);
      expect(descriptors() - before).toBeLessThan(70);
    }
    expect(at('r/d0/d1')).toEqual(['d2']);
    cursor.close();
    expect(descriptors()).toBe(before);
  });

  it('a folder that was moved meanwhile: is not taken for the one that has its name now', () => {
    mkdirSync(join(folder, 'r/a/old'), { recursive: true });
    expect(at('r/a')).toEqual(['old']);
    expect(at('r')).toEqual(['a']);
    renameSync(join(folder, 'r/a'), join(folder, 'r/z'));
    mkdirSync(join(folder, 'r/a/new'), { recursive: true });
    expect(at('r/a')).toEqual(['new']);
  });
});
