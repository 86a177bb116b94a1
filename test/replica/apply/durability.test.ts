import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Durability } from '../../../replica/apply/durability.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';

let folder: string;
let anchor: number;
const opened: number[] = [];
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-durable-'));
  anchor = fs.openSync(folder, 'r');
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const fd of [anchor, ...opened.splice(0)]) fs.closeSync(fd);
  fs.rmSync(folder, { recursive: true });
});

/** Touches so many files and flushes; what was asked of the system. */
async function flushed(files: number): Promise<{ inodes: Set<number>; wholes: number }> {
  let wholes = 0;
  const inodes = new Set<number>();
  const posix = {
    ...loadPosix(),
    syncfs: (): Promise<void> => {
      wholes += 1;
      return Promise.resolve();
    },
  };
  vi.spyOn(fs, 'fsyncSync').mockImplementation((fd) => {
    inodes.add(fs.fstatSync(fd).ino);
  });
  const durability = new Durability(posix, anchor);
  for (let file = 0; file < files; file += 1) {
    const fd = fs.openSync(path.join(folder, String(file)), 'w');
    opened.push(fd);
    durability.touch(`file ${file}`, fd);
    durability.touch(`file ${file}`, fd);
  }
  await durability.flush();
  return { inodes, wholes };
}

describe('what apply makes durable (R25)', () => {
  test('a few files: each is flushed, and nobody waits for what others write', async () => {
    const { inodes, wholes } = await flushed(3);
    expect(inodes).toEqual(new Set(opened.map((fd) => fs.fstatSync(fd).ino)));
    expect(wholes).toBe(0);
  });

  test('many files: one flush of the file system', async () => {
    const { inodes, wholes } = await flushed(40);
    expect(inodes.size).toBe(0);
    expect(wholes).toBe(1);
  });
});
