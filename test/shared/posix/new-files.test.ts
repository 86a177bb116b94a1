/** Both versions of what writes and places new files hold one contract (promise 8). */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAddon } from '../../../shared/posix/load-addon.js';
import { createNativePosix, type NativeBinding } from '../../../shared/posix/native-posix.js';
import { type NewPiece, type NewPlace, Placed } from '../../../shared/posix/new-files.js';
import { createPortablePosix } from '../../../shared/posix/portable-posix.js';
import type { Posix } from '../../../shared/posix/posix.js';

const addon = loadAddon();
if ('whyNot' in addon) console.info(`the native version is not tested: ${addon.whyNot}`);

const versions: [string, Posix][] = [
  ['portable', createPortablePosix()],
  ...('exports' in addon
    ? [['native', createNativePosix(addon.exports as NativeBinding)] satisfies [string, Posix]]
    : []),
];

let home: string;
let from: number;
let to: number;

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-new-'));
  for (const name of ['new', 'base', 'outside']) fs.mkdirSync(path.join(home, name));
  from = fs.openSync(path.join(home, 'new'), fs.constants.O_RDONLY);
  to = fs.openSync(path.join(home, 'base'), fs.constants.O_RDONLY);
});
afterEach(() => {
  fs.closeSync(from);
  fs.closeSync(to);
  fs.rmSync(home, { recursive: true, force: true });
});

const at = (...names: string[]): string => path.join(home, ...names);
const read = (...names: string[]): string => fs.readFileSync(at(...names), 'latin1');

function piece(node: number, text: string, part: Partial<NewPiece> = {}): NewPiece {
  return { node, offset: 0, whole: false, bytes: Buffer.from(text, 'latin1'), ...part };
}

function place(node: number, name: string | Buffer): NewPlace {
  return { node, name: Buffer.from(name), seconds: -3, nanoseconds: 999_999_000 };
}

describe.each(versions)('new files, %s', (_, posix) => {
  test('written: pieces land at their offsets, in their order, and a whole one is all of the file', async () => {
    const large = 2 ** 52;
    fs.writeFileSync(at('new', '7'), 'longer than what comes');
    await posix.writeNew(from, [
      piece(5, 'ab'),
      piece(5, 'cd', { offset: 4 }),
      piece(5, 'X', { offset: 1 }),
      piece(6, ''),
      piece(7, 'short', { whole: true }),
      piece(large, 'last'),
      piece(5, 'Y', { offset: 5 }),
    ]);
    expect(read('new', '5')).toBe('aX\0\0cY');
    expect(read('new', '6')).toBe('');
    expect(read('new', '7')).toBe('short');
    expect(read('new', String(large))).toBe('last');
    expect(fs.statSync(at('new', '5')).mode & 0o777).toBe(0o600);
  });

  test('written: a link in the place of a file is not followed, and the failure names the node', async () => {
    fs.writeFileSync(at('outside', 'file'), 'untouched');
    fs.symlinkSync(at('outside', 'file'), at('new', '5'));
    const done = posix.writeNew(from, [piece(4, 'before'), piece(5, 'through')]);
    await expect(done).rejects.toMatchObject({ code: 'ELOOP', syscall: 'open' });
    await expect(done).rejects.toThrow(/5/);
    expect(read('outside', 'file')).toBe('untouched');
    expect(read('new', '4')).toBe('before');
  });

  test('placed: files get their names, whatever bytes, and their times', async () => {
    const bytes = Buffer.from([0xff, 0x20, 0x0a]);
    await posix.writeNew(from, [piece(5, 'five'), piece(6, 'six')]);
    const placed = await posix.placeNew({ from, to }, [place(5, 'name'), place(6, bytes)]);
    expect([...placed]).toEqual([Placed.moved, Placed.moved]);
    expect(read('base', 'name')).toBe('five');
    expect(fs.readFileSync(Buffer.concat([Buffer.from(`${home}/base/`), bytes]), 'latin1')).toBe(
      'six',
    );
    expect(posix.lstat(Buffer.from(at('base', 'name'))).mtimeNs).toBe(-2_000_001_000n);
    expect(fs.readdirSync(at('new'))).toEqual([]);
  });

  test('placed: nothing is replaced and nothing followed, and the others go on', async () => {
    await posix.writeNew(from, [piece(5, 'five'), piece(6, 'six'), piece(8, 'eight')]);
    fs.writeFileSync(at('base', 'taken'), 'there');
    fs.symlinkSync(at('outside', 'made'), at('base', 'dangling'));
    const placed = await posix.placeNew({ from, to }, [
      place(5, 'taken'),
      place(6, 'dangling'),
      place(7, 'nowhere'),
      place(8, 'free'),
    ]);
    expect([...placed]).toEqual([Placed.taken, Placed.taken, Placed.absent, Placed.moved]);
    expect(read('base', 'taken')).toBe('there');
    expect(fs.readdirSync(at('outside'))).toEqual([]);
    expect(fs.readdirSync(at('new'))).toEqual(['5', '6']);
    expect(read('base', 'free')).toBe('eight');
  });

  test('placed: descriptors may be closed while the call runs', async () => {
    await posix.writeNew(from, [piece(5, 'five')]);
    const folders = { from: fs.openSync(at('new'), 'r'), to: fs.openSync(at('base'), 'r') };
    const done = posix.placeNew(folders, [place(5, 'name')]);
    fs.closeSync(folders.from);
    fs.closeSync(folders.to);
    await done.catch((error: unknown) => {
      // The portable version has no descriptor of its own.
      if (posix.native) throw error;
    });
    if (posix.native) expect(read('base', 'name')).toBe('five');
  });
});

describe('new files, native', () => {
  test.skipIf('whyNot' in addon)('arguments that cannot be reach no call', () => {
    const binding = (addon as { exports: NativeBinding }).exports;
    const bad: [string, () => unknown][] = [
      ['a name with a separator', () => binding.placeNew(from, to, record('../outside/x'))],
      ['a name that is a folder above', () => binding.placeNew(from, to, record('..'))],
      ['a name with NUL', () => binding.placeNew(from, to, record('a\0b'))],
      ['an empty name', () => binding.placeNew(from, to, record(''))],
      ['a record cut off', () => binding.placeNew(from, to, record('name').subarray(0, 24))],
      ['a node that is no number', () => binding.placeNew(from, to, record('name', Number.NaN))],
      ['a negative node', () => binding.writeNew(from, Float64Array.of(-1, 0, 0), [Buffer.of(1)])],
      [
        'targets that lack numbers',
        () => binding.writeNew(from, Float64Array.of(5), [Buffer.of(1)]),
      ],
      [
        'a piece that is no bytes',
        () => binding.writeNew(from, Float64Array.of(5, 0, 0), [1 as never]),
      ],
    ];
    for (const [what, call] of bad) expect(call, what).toThrow(TypeError);
    expect(fs.readdirSync(at('new'))).toEqual([]);
  });
});

function record(name: string, node = 5): Buffer {
  const head = Buffer.alloc(22);
  head.writeDoubleLE(node, 0);
  head.writeUInt16LE(name.length, 20);
  return Buffer.concat([head, Buffer.from(name, 'latin1')]);
}
