import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AfterimageError } from '../../../shared/errors.js';
import { readPoint } from '../../model/full-copy.js';
import { blockRecords, nodeRecord, Nodes, pattern, SmallSet } from '../support/small-set.js';

let set: SmallSet;
beforeEach(async () => {
  set = await SmallSet.create();
});
afterEach(async () => {
  await set.close();
});

async function codeOfReading(point: number): Promise<string> {
  try {
    await readPoint(set.open.store, point);
    return 'read';
  } catch (error) {
    if (error instanceof AfterimageError) return error.code;
    throw error;
  }
}

function flip(file: string, offset: number): void {
  const fd = fs.openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  fs.readSync(fd, byte, 0, 1, offset);
  fs.writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, offset);
  fs.closeSync(fd);
}

describe('reading a block at a point (promise 2, R2, R9)', () => {
  test('one bit that is not as it was: an error for the points that read it, never its bytes', async () => {
    flip(set.at('base', 'folder', 'file'), 70_000);
    expect(await codeOfReading(1)).toBe('damaged');
    expect(await codeOfReading(2)).toBe('damaged');
  });

  test('a bit of a page that was archived before: the older point reads, the newer answers an error', async () => {
    const content = pattern(150_000, 1);
    content.fill(0xee, 70_000, 70_100);
    await set.commit([
      nodeRecord({ node: Nodes.file, size: content.length, body: 'keep' }),
      ...blockRecords(Nodes.file, content).slice(1, 2),
    ]);
    expect(await set.wrongPoints()).toEqual([]);
    flip(set.at('base', 'folder', 'file'), 70_050);
    expect(await codeOfReading(1)).toBe('read');
    expect(await codeOfReading(2)).toBe('read');
    expect(await codeOfReading(3)).toBe('damaged');
  });
});
