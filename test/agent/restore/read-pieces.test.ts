import { expect, it } from 'vitest';
import { leftOf, PieceCutter, type ReadPiece } from '../../../agent/restore/read-pieces.js';
import { BLOCK_BYTES, blockCount } from '../../../shared/limits.js';
import { PIECE_BYTES, PIECE_ITEMS_MAX } from '../../../shared/protocol/restore-question.js';
import type { ReadItem } from '../../../shared/restore/point-source.js';
import { seededRandom } from '../../replica/support/random-tree.js';

const blocksOf = (piece: ReadPiece): string[] =>
  piece.items.flatMap(({ item, ranges }) =>
    ranges.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, index) => `${item}:${first + index}`),
    ),
  );

it('pieces: cover every block of every item once and in order, and each fits into one answer', () => {
  const seed = 5;
  const random = seededRandom(seed);
  for (let round = 0; round < 50; round += 1) {
    const items: ReadItem[] = Array.from({ length: 1 + random(300) }, (_, node) => {
      const size = random(4) === 0 ? random(60 * BLOCK_BYTES) : random(3000);
      if (random(3) > 0) return { node: node + 1, size };
      const blocks = blockCount(size);
      const first = random(blocks + 1);
      const ranges = first < blocks ? [{ first, count: 1 + random(blocks - first) }] : [];
      return { node: node + 1, size, ranges };
    });
    const wanted = items.flatMap(({ size = 0, ranges }, item) =>
      (ranges ?? [{ first: 0, count: blockCount(size) }]).flatMap(({ first, count }) =>
        Array.from({ length: count }, (_, index) => `${item}:${first + index}`),
      ),
    );
    const cutter = new PieceCutter(items);
    const cut: string[] = [];
    for (let piece = cutter.next(); piece !== undefined; piece = cutter.next()) {
      cut.push(...blocksOf(piece));
      expect(piece.items.length).toBeLessThanOrEqual(PIECE_ITEMS_MAX);
      const bytes = piece.items.reduce((sum, { item, ranges }) => {
        const size = items[item]?.size ?? 0;
        return ranges.reduce(
          (all, { first, count }) =>
            all + Math.min(size, (first + count) * BLOCK_BYTES) - first * BLOCK_BYTES,
          sum,
        );
      }, 0);
      expect(bytes, `seed ${seed}`).toBeLessThanOrEqual(PIECE_BYTES + BLOCK_BYTES);
    }
    expect(cut, `seed ${seed}, round ${round}`).toEqual(wanted);
  }
});

it('pieces: grow over holes, and are small again once an answer is full', () => {
  const cutter = new PieceCutter([{ node: 1, size: 2 ** 44 }]);
  let piece = cutter.next();
  const first = blocksOf(piece ?? { items: [] }).length;
  for (let round = 0; round < 4 && piece !== undefined; round += 1) {
    cutter.learn(piece, { bytes: Buffer.alloc(48), next: null });
    piece = cutter.next();
  }
  expect(blocksOf(piece ?? { items: [] }).length).toBe(first * 16);
  if (piece !== undefined) cutter.learn(piece, { bytes: Buffer.alloc(PIECE_BYTES), next: '0:5' });
  expect(blocksOf(cutter.next() ?? { items: [] }).length).toBe(first);
});

it('what is left of a piece: begins at the place, and is nothing at its end', () => {
  const piece = {
    items: [
      { item: 4, node: 1, ranges: [{ first: 2, count: 4 }] },
      { item: 5, node: 2, ranges: [{ first: 0, count: 1 }] },
    ],
  };
  expect(blocksOf(leftOf(piece, { item: 0, block: 4 }) ?? { items: [] })).toEqual([
    '4:4',
    '4:5',
    '5:0',
  ]);
  expect(blocksOf(leftOf(piece, { item: 1, block: 0 }) ?? { items: [] })).toEqual(['5:0']);
  expect(leftOf(piece, { item: 9, block: 0 })).toBeUndefined();
});
