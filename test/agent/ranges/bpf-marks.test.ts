/** R27: what the tracker's marks become, and that no look that is taken back loses any. */
import { describe, expect, test } from 'vitest';
import { Looks } from '../../../agent/ranges/bpf-looks.js';
import { BlockMarks } from '../../../agent/ranges/bpf-marks.js';
import { WordRoom } from '../../../agent/ranges/bpf-room.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { Seeded } from '../../support/seeded.js';

const SIZE = 64 * BLOCK_BYTES;

function marked(...blocks: number[]): BlockMarks {
  const bits = Buffer.alloc(8);
  for (const block of blocks) bits[block >> 3] = (bits[block >> 3] ?? 0) | (1 << (block & 7));
  return new BlockMarks(bits);
}

function blocksOf(marks: BlockMarks | undefined): number[] | undefined {
  return marks
    ?.ranges(SIZE)
    .flatMap(({ start, end }) =>
      Array.from({ length: (end - start) / BLOCK_BYTES }, (_, at) => start / BLOCK_BYTES + at),
    );
}

describe('marks', () => {
  test('ranges: join neighbours and end at the size', () => {
    const ranges = marked(0, 1, 5, 63).ranges(SIZE - 10);
    expect(ranges).toEqual([
      { start: 0, end: 2 * BLOCK_BYTES },
      { start: 5 * BLOCK_BYTES, end: 6 * BLOCK_BYTES },
      { start: 63 * BLOCK_BYTES, end: SIZE - 10 },
    ]);
  });

  test('a tail: counts from the start of its block, and takes in what is marked there', () => {
    const marks = marked(2, 3, 9);
    marks.merge(new BlockMarks(undefined, 4 * BLOCK_BYTES + 7));
    expect(marks.ranges(SIZE)).toEqual([{ start: 2 * BLOCK_BYTES, end: SIZE }]);
    expect(marks.ranges(3 * BLOCK_BYTES)).toEqual([
      { start: 2 * BLOCK_BYTES, end: 3 * BLOCK_BYTES },
    ]);
  });
});

describe('looks', () => {
  test('since: the union of all that was taken since the look that is asked for', () => {
    const looks = new Looks();
    looks.add('a');
    looks.taken(marked(1));
    looks.add('b');
    looks.taken(marked(2));
    looks.add('c');
    expect(['a', 'b', 'c', 'x'].map((word) => blocksOf(looks.since(word)))).toEqual([
      [1, 2],
      [2],
      [],
      undefined,
    ]);
  });

  test('settle: keeps what came since the look that the state holds, also after one taken back', () => {
    const looks = new Looks();
    looks.add('a');
    looks.taken(marked(1));
    looks.add('b');
    looks.forget('b');
    looks.taken(marked(2));
    looks.add('c');
    expect(looks.settle('a')).toBe(true);
    looks.taken(marked(3));
    expect([blocksOf(looks.since('a')), looks.since('c')]).toEqual([[1, 2, 3], undefined]);
    expect(looks.settle('c')).toBe(false);
  });

  test('a model: no look ever answers less than what was marked since, however they end', () => {
    const seed = 4;
    const random = new Seeded(seed);
    const looks = new Looks();
    /** What was marked after each look. */
    const since = new Map<string, Set<number>>();
    for (let step = 0; step < 800; step += 1) {
      const block = random.below(64);
      if (looks.length > 0) looks.taken(marked(block));
      for (const blocks of since.values()) blocks.add(block);
      const word = `${step}`;
      if (random.chance(0.8)) looks.add(word);
      else if (looks.length > 0) looks.addBeside(word);
      if (looks.length > 0) since.set(word, new Set());
      const asked = random.pick([...since.keys()]);
      const answer = blocksOf(looks.since(asked));
      for (const wanted of since.get(asked) ?? []) {
        expect(answer, `seed ${seed}, step ${step}`).toContain(wanted);
      }
      const draw = random.below(10);
      if (draw < 2) {
        looks.forget(asked);
        since.delete(asked);
      } else if (draw < 4) {
        expect(looks.settle(asked)).toBe(true);
        for (const other of since.keys()) if (other !== asked) since.delete(other);
      }
      if (since.size === 0) looks.clear();
    }
  });
});

describe('room for marks', () => {
  test('stretches: never overlap, and all come together again', () => {
    const random = new Seeded(5);
    const room = new WordRoom(1000);
    const taken: { first: number; count: number }[] = [];
    for (let step = 0; step < 2000; step += 1) {
      const span = random.chance(0.5) ? room.take(1 + random.below(200)) : undefined;
      if (span === undefined) {
        for (const back of taken.splice(random.below(taken.length + 1), 1)) room.give(back);
        continue;
      }
      const clash = taken.find(
        ({ first, count }) => first < span.first + span.count && span.first < first + count,
      );
      expect(clash).toBeUndefined();
      taken.push(span);
    }
    for (const span of taken) room.give(span);
    expect(room.take(1000)).toEqual({ first: 0, count: 1000 });
  });
});
