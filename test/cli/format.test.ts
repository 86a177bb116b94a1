import { describe, expect, it } from 'vitest';
import { applyRange, parseByteRange } from '../../cli/arguments.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatMode,
  formatTime,
} from '../../cli/format.js';
import { formatTable } from '../../cli/table.js';

describe('format', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [102_350, '100 KiB'],
    [1_048_575, '1.0 MiB'],
    [5 * 2 ** 40, '5.0 TiB'],
  ])('%i bytes: %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([0, 7, 999, 1000, 12_345, 100_000, 1_234_567, 9_007_199_254_740_991])(
    'a count of %i: is grouped as in English',
    (count) => {
      expect(formatCount(count)).toBe(count.toLocaleString('en-US'));
    },
  );

  it.each([
    [12, '12 ms'],
    [59_400, '59 s'],
    [60_000, '1 min'],
    [3_725_000, '1 h 2 min'],
    [90_000_000, '1 d 1 h'],
  ])('%i ms: %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('a time: is local, to the second', () => {
    expect(formatTime(new Date(2031, 4, 3, 9, 8, 7, 999).getTime())).toBe('2031-05-03 09:08:07');
  });

  it.each([
    ['folder', 0o2755, 'drwxr-sr-x'],
    ['file', 0o4644, '-rwSr--r--'],
    ['folder', 0o1777, 'drwxrwxrwt'],
    ['symlink', 0o777, 'lrwxrwxrwx'],
  ])('mode of a %s of %i: %s', (kind, mode, text) => {
    expect(formatMode(kind, mode)).toBe(text);
  });

  it('a table: columns as wide as their widest cell, numbers to the right', () => {
    const table = formatTable<{ name: string; count: number }>(
      [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'N', align: 'right', value: ({ count }) => String(count) },
      ],
      [
        { name: 'ä', count: 5 },
        { name: 'longer', count: 500 },
      ],
    );
    expect(table).toBe('NAME      N\nä         5\nlonger  500\n');
  });
});

describe('byte ranges', () => {
  it.each([
    ['0-0', 10, 0, 1],
    ['2-4', 10, 2, 3],
    ['8-99', 10, 8, 2],
    ['4-', 10, 4, 6],
    ['-3', 10, 7, 3],
    ['-99', 10, 0, 10],
    ['50-60', 10, 10, 0],
  ])('%s of %i bytes: %i and %i bytes on', (text, size, offset, length) => {
    expect(applyRange(parseByteRange(text), size)).toEqual({ offset, length });
  });

  it.each(['', '-', 'a-b', '5-2', '1-2-3'])('%j: is refused', (text) => {
    expect(() => parseByteRange(text)).toThrow(/first-last/);
  });
});
