/** Pieces of a direct stream, put together where the socket writes them. */
import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { BufferPool, Lease } from '../../../shared/transport/buffer-pool.js';
import {
  encodePiece,
  type Piece,
  PIECE_DATA_BYTES_MAX,
  PieceReader,
} from '../../../shared/transport/direct-piece.js';
import { Seeded } from '../../support/seeded.js';

const prefix = 'afterimage.acme.web.files.';

function readerOf(onPiece: (piece: Piece) => void): PieceReader {
  return new PieceReader(prefix, {
    piece: onPiece,
    broken: (error) => {
      throw error;
    },
  });
}

function write(reader: PieceReader, bytes: Buffer, cut: () => number): void {
  for (let at = 0; at < bytes.length;) {
    const room = reader.room();
    expect(room.length).toBeGreaterThan(0);
    const count = bytes.copy(room, 0, at, Math.min(bytes.length, at + cut()));
    at += count;
    reader.filled(count);
  }
}

describe('pieces', () => {
  const seed = randomInt(2 ** 31);
  test(`pieces: what is kept stays as it came while others' memory is used again, however it is cut (seed ${seed})`, () => {
    const random = new Seeded(seed);
    const sizes = [0, 1, 500, 505, 511, 512, 513, 40_000, 262_144, 270_000, PIECE_DATA_BYTES_MAX];
    const sent = Array.from({ length: 120 }, (_, at) => Buffer.alloc(random.pick(sizes), at + 1));
    const kept: { readonly data: Buffer; readonly at: number }[] = [];
    let came = 0;
    const reader = readerOf(({ subject, data, release }) => {
      expect(subject).toBe(`${prefix}up`);
      expect(data.equals(sent[came] ?? Buffer.alloc(1))).toBe(true);
      if (release === undefined || random.below(3) === 0) kept.push({ data, at: came });
      else release();
      came += 1;
    });
    const cuts = [1, 7, 64, 4096, 65_536, 300_000];
    const stream = Buffer.concat(
      sent.map((data) => encodePiece({ kind: 'message', subject: `${prefix}up`, data }, prefix)),
    );
    write(reader, stream, () => 1 + random.below(random.pick(cuts)));
    expect(came).toBe(sent.length);
    for (const { data, at } of kept) expect(data.equals(sent[at] ?? Buffer.alloc(1))).toBe(true);
  });

  test('pieces: frame after frame lies in the same memory when each is given back', () => {
    const memories = new Set<ArrayBufferLike>();
    const reader = readerOf(({ data, release }) => {
      memories.add(data.buffer);
      release?.();
    });
    const frame = encodePiece({ kind: 'message', data: Buffer.alloc(262_144 + 64) }, prefix);
    for (let count = 0; count < 50; count += 1) write(reader, frame, () => 100_000);
    expect(memories.size).toBe(1);
  });
});

describe('buffer pool', () => {
  test('buffer pool: it keeps no more than its bound, and what others do not ask for goes first', () => {
    const pool = new BufferPool(256 * 1024);
    const large = [pool.take(100_000), pool.take(100_000)];
    const small = [pool.take(40_000), pool.take(40_000)];
    for (const buffer of [...large, ...small]) pool.give(buffer);
    expect(pool.idleBytes).toBeLessThanOrEqual(256 * 1024);
    expect(small).toContain(pool.take(40_000));
    expect(pool.take(100).length).toBe(100);
  });

  test('buffer pool: what is given back twice is lent once', () => {
    const pool = new BufferPool(1024 * 1024);
    const { release } = new Lease(pool, pool.take(40_000));
    release();
    release();
    expect(pool.take(40_000)).not.toBe(pool.take(40_000));
  });
});
