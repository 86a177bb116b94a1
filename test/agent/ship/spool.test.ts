import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeptFrames } from '../../../agent/ship/kept-frames.js';
import { Spool } from '../../../agent/ship/spool.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-spool-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const body = (seed: number, bytes = 1000) => Buffer.alloc(bytes, seed);
const cut = (bytes: Buffer) => ({
  recordCount: 1,
  body: bytes,
  compressed: false,
  rawLength: bytes.length,
});

describe('spool', () => {
  test('spool: frames come back as they were, and leave no name on the disk', () => {
    const spool = new Spool({ folder, bytesMax: 100_000 });
    const places = [1, 2, 3].map((seed) => spool.append(body(seed)));
    expect(readdirSync(folder)).toEqual([]);
    expect(places.map((place) => spool.read(place))).toEqual([body(1), body(2), body(3)]);
    for (const place of places) spool.release(place);
    expect(spool.bytes).toBe(0);
    expect(spool.read(spool.append(body(4)))).toEqual(body(4));
    spool.close();
  });

  test('spool: it refuses what goes past its limit, and takes it when there is room', () => {
    const spool = new Spool({ folder, bytesMax: 2100 });
    const first = spool.append(body(1));
    spool.append(body(2));
    expect(() => spool.append(body(3))).toThrow(expect.objectContaining({ code: 'spool-full' }));
    spool.release(first);
    expect(spool.read(spool.append(body(3)))).toEqual(body(3));
    spool.close();
  });

  test('spool: a folder that cannot be made is an error', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const spool = new Spool({ folder: join(file, 'below'), bytesMax: 10_000 });
    expect(() => spool.append(body(1))).toThrow(
      expect.objectContaining({ code: 'storage-failed' }),
    );
  });
});

describe('kept frames', () => {
  test('kept frames: memory first, then the spool, and released in order', () => {
    const spool = new Spool({ folder, bytesMax: 100_000 });
    const kept = new KeptFrames({ spool, memoryBytesMax: 2500 });
    for (const seed of [1, 2, 3, 4]) kept.add(cut(body(seed)));
    expect([kept.memoryBytes, kept.first, kept.next]).toEqual([2000, 1, 5]);
    expect(spool.bytes).toBeGreaterThan(2000);
    expect([1, 2, 3, 4].map((sequence) => kept.body(kept.get(sequence))[0])).toEqual([1, 2, 3, 4]);
    kept.releaseTo(3);
    expect([kept.memoryBytes, kept.first, kept.next]).toEqual([0, 4, 5]);
    kept.releaseTo(99);
    expect([spool.bytes, kept.first, kept.next]).toEqual([0, 5, 5]);
  });

  test('kept frames: a restart numbers everything past all numbers used, under a new boot', () => {
    const kept = new KeptFrames({
      spool: new Spool({ folder, bytesMax: 0 }),
      memoryBytesMax: 1e6,
    });
    for (const seed of [1, 2, 3]) kept.add(cut(body(seed)));
    kept.releaseTo(1);
    const before = kept.numbering;
    expect(kept.restart()).toBe(3);
    expect([kept.first, kept.next, kept.firstRestarts]).toEqual([4, 7, true]);
    expect(kept.numbering.offset).toBe(4);
    expect(kept.numbering.boot).not.toBe(before.boot);
    expect(kept.body(kept.get(4)).toString('hex')).toBe(kept.numbering.boot);
    expect(kept.body(kept.get(5))[0]).toBe(2);
    // again, before the first was sent: it takes the first one's place
    expect(kept.restart()).toBe(3);
    expect([kept.first, kept.next, kept.body(kept.get(8))[0]]).toEqual([7, 10, 2]);
  });
});
