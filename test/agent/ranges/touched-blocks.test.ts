/** R27: whole blocks around ranges, and the blocks at both ends. */
import { describe, expect, test } from 'vitest';
import { SpanCursor, touchedBlocks } from '../../../agent/ranges/touched-blocks.js';
import { blockCount, BLOCK_BYTES } from '../../../shared/limits.js';
import { Seeded } from '../../support/seeded.js';

const B = BLOCK_BYTES;

describe('touched blocks', () => {
  test.each([
    { ranges: [], oldSize: 10 * B, newSize: 10 * B, spans: [] },
    { ranges: [[B, B + 1]], oldSize: 10 * B, newSize: 10 * B, spans: [[1, 2]] },
    { ranges: [[B - 1, B + 1]], oldSize: 10 * B, newSize: 10 * B, spans: [[0, 2]] },
    {
      ranges: [
        [0, 1],
        [B, 2 * B],
      ],
      oldSize: 9 * B,
      newSize: 9 * B,
      spans: [[0, 2]],
    },
    { ranges: [[0, 99 * B]], oldSize: 2 * B, newSize: 2 * B, spans: [[0, 2]] },
    { ranges: [], oldSize: 2 * B + 1, newSize: 5 * B + 1, spans: [[2, 6]] },
    { ranges: [], oldSize: 2 * B, newSize: 5 * B, spans: [[1, 5]] },
    { ranges: [], oldSize: 5 * B, newSize: 2 * B + 1, spans: [[2, 3]] },
    { ranges: [], oldSize: 5 * B, newSize: 0, spans: [] },
    { ranges: [], oldSize: 0, newSize: 1, spans: [[0, 1]] },
  ])('touched blocks: $ranges of $oldSize → $newSize bytes', ({ ranges, spans, ...sizes }) => {
    const given = ranges.map(([start = 0, end = 0]) => ({ start, end }));
    const expected = spans.map(([first = 0, until = 0]) => ({ first, until }));
    expect(touchedBlocks(given, sizes)).toEqual(expected);
  });

  test('touched blocks: a cursor finds those that a search of all ranges finds', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = new Seeded(seed);
      const [oldSize, newSize] = [random.below(99 * B), random.below(99 * B)];
      const ranges = Array.from({ length: random.below(6) }, () => {
        const start = random.below(99 * B);
        return { start, end: start + 1 + random.below(3 * B) };
      });
      const cursor = new SpanCursor(touchedBlocks(ranges, { oldSize, newSize }));
      for (let block = 0; block < blockCount(newSize); block += 1) {
        const [start, end] = [block * B, (block + 1) * B];
        const lengthChanged = Math.min(oldSize, end) !== Math.min(newSize, end);
        const must =
          lengthChanged || ranges.some((range) => range.start < end && range.end > start);
        if (must) expect(cursor.has(block), `seed ${seed}, block ${block}`).toBe(true);
      }
    }
  });
});
