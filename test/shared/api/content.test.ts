import { describe, expect, it } from 'vitest';
import {
  type ContentFrame,
  contentRequestSchema,
  decodeContent,
  encodeBlocksHead,
  HEADER_BYTES,
  encodeEnd,
  encodeFailed,
  encodeZeroRun,
  ITEMS_MAX,
  RANGES_MAX,
} from '../../../shared/api/content.js';
import { toProblem } from '../../../shared/api/problem.js';
import { AfterimageError } from '../../../shared/errors.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';

const digest = Buffer.alloc(32, 5);
const content = Buffer.alloc(BLOCK_BYTES, 3);
const damaged = new AfterimageError('damaged', 'block 7 is damaged', { facts: { block: 7 } });
function block(at: {
  readonly item: number;
  readonly block: number;
  readonly bytes: Buffer;
}): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  encodeBlocksHead({ type: 'block', digest, ...at }, head);
  return Buffer.concat([head, at.bytes]);
}

const stream = Buffer.concat([
  block({ item: 0, block: 1, bytes: content }),
  encodeZeroRun({ item: 0, block: 2, count: 0xffff_0000 }),
  encodeFailed({ item: 1, block: 7, problem: toProblem(damaged) }),
  block({ item: 2, block: 0, bytes: Buffer.from('abc') }),
  encodeEnd(),
]);

async function decode(bytes: Buffer, chunkBytes: number): Promise<ContentFrame[]> {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      await Promise.resolve();
      yield Buffer.from(bytes.subarray(at, at + chunkBytes));
    }
  }
  const frames: ContentFrame[] = [];
  for await (const frame of decodeContent(chunks())) {
    const kept =
      frame.type === 'block'
        ? { digest: Buffer.from(frame.digest), bytes: Buffer.from(frame.bytes) }
        : {};
    frames.push({ ...frame, ...kept });
  }
  return frames;
}

describe('stream of contents', () => {
  it.each([5, 47, 48, 49, 1000, 65_536, 70_000, 10_000_000])(
    'chunks of %i bytes: the frames come out as they went in',
    async (chunkBytes) => {
      const frames = await decode(stream, chunkBytes);
      expect(frames).toMatchObject([
        { type: 'block', item: 0, block: 1, digest },
        { type: 'zero', item: 0, block: 2, count: 0xffff_0000 },
        { type: 'failed', item: 1, block: 7, error: { code: 'damaged', facts: { block: 7 } } },
        { type: 'block', item: 2, block: 0, bytes: Buffer.from('abc') },
      ]);
      expect(frames[0]?.type === 'block' && frames[0].bytes.equals(content)).toBe(true);
    },
  );

  it('cut off anywhere: is malformed, never taken for whole', async () => {
    for (const length of [0, 1, 48, 100, 48 + BLOCK_BYTES, stream.length - 48, stream.length - 1]) {
      await expect(decode(stream.subarray(0, length), 4096)).rejects.toMatchObject({
        code: 'answer-malformed',
      });
    }
  });

  it.each([
    ['a type that is none', 0, 9],
    ['a block that is too long', 14, 2],
  ])('%s: is malformed', async (_, at, value) => {
    const bytes = Buffer.from(stream);
    bytes.writeUInt8(value, at);
    await expect(decode(bytes, 4096)).rejects.toMatchObject({ code: 'answer-malformed' });
  });
});

describe('request for contents', () => {
  it('more items or ranges than a request may have: is refused', () => {
    const items = (count: number, ranges?: [number, number][]): unknown => ({
      items: Array.from({ length: count }, () => ({ node: 2, ...(ranges ? { ranges } : {}) })),
    });
    expect(contentRequestSchema.safeParse(items(ITEMS_MAX)).success).toBe(true);
    expect(contentRequestSchema.safeParse(items(ITEMS_MAX + 1)).success).toBe(false);
    const many = Array.from({ length: RANGES_MAX / 10 }, (_, first): [number, number] => [
      first,
      1,
    ]);
    expect(contentRequestSchema.safeParse(items(10, many)).success).toBe(true);
    expect(contentRequestSchema.safeParse(items(11, many)).success).toBe(false);
    expect(contentRequestSchema.safeParse(items(1, [[0, 0]])).success).toBe(false);
  });
});
