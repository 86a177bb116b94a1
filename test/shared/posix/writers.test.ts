/** Whether anybody may write to a file that is read (promise 4); held against real file systems. */
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';

const TMPFS = 0x0102_1994;
const posix = loadPosix();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-writers-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function whoWrites(path: string): string {
  const fd = openSync(path, 'r');
  try {
    return posix.flushWriters(fd);
  } finally {
    closeSync(fd);
  }
}

test('writers: a file is told to be open for writing while it is, and only then', (context) => {
  if (!posix.native) context.skip('no native part');
  if (statfsSync(folder).type === TMPFS) context.skip('the temporary folder is in memory');
  const path = join(folder, 'file');
  writeFileSync(path, 'x');
  expect(whoWrites(path)).toBe('nobody');
  const fd = openSync(path, 'r+');
  expect(whoWrites(path)).toBe('flushed');
  closeSync(fd);
  expect(whoWrites(path)).toBe('nobody');
});

test('writers: in memory nothing can be written back, and that is said', (context) => {
  if (!posix.native) context.skip('no native part');
  let inMemory = '';
  try {
    if (statfsSync('/dev/shm').type === TMPFS)
      inMemory = mkdtempSync('/dev/shm/afterimage-writers-');
  } catch {
    // there is no such place
  }
  if (inMemory === '') context.skip('no tmpfs to write to');
  try {
    const path = join(inMemory, 'file');
    const fd = openSync(path, 'w');
    expect(whoWrites(path)).toBe('blind');
    closeSync(fd);
    expect(whoWrites(path)).toBe('nobody');
  } finally {
    rmSync(inMemory, { recursive: true });
  }
});
