/** Frames come out of the buffers they are gathered in as they went in, wherever their bytes were. */
import { expect, it } from 'vitest';
import { type ContentFrame, decodeContent, RUN_BYTES_MAX } from '../../../shared/api/content.js';
import { AfterimageError } from '../../../shared/errors.js';
import { FrameSlabs, SlabPool } from '../../../replica/serve/frame-slabs.js';
import { core, pattern } from '../support/small-set.js';

async function decode(chunks: readonly Buffer[]): Promise<string[]> {
  async function* stream(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) {
      await Promise.resolve();
      yield chunk;
    }
  }
  const told: string[] = [];
  for await (const frame of decodeContent(stream())) told.push(tell(frame));
  return told;
}

function tell(frame: ContentFrame): string {
  const head = `${frame.item} ${frame.type} ${frame.block}`;
  switch (frame.type) {
    case 'zero':
      return `${head} ${frame.count}`;
    case 'failed':
      return `${head} ${frame.error.code}`;
    case 'block':
    case 'run': {
      const digests = frame.type === 'run' ? frame.digests : frame.digest;
      const good = Buffer.from(core.digestBlocks(frame.bytes).digests).equals(digests);
      return `${head} ${frame.bytes.length} ${good ? 'good' : 'bad'}`;
    }
  }
}

function frameOf(item: number, bytes: Buffer): ContentFrame {
  const digests = Buffer.from(core.digestBlocks(bytes).digests);
  return digests.length > 32
    ? { type: 'run', item, block: 0, digests, bytes }
    : { type: 'block', item, block: 0, digest: digests, bytes };
}

it('frames in their room and elsewhere, in any mixture: come out in order and whole', async () => {
  const pool = new SlabPool();
  const slabs = new FrameSlabs(pool);
  const lengths = [1, 65_536, RUN_BYTES_MAX, 65_537, 200_000, RUN_BYTES_MAX - 1, 3, RUN_BYTES_MAX];
  const expected: string[] = [];
  for (const [item, length] of lengths.entries()) {
    const content = pattern(length, item);
    const apart = item % 3 === 1;
    // Room that is asked for and not used leaves no trace.
    const room = slabs.room(length);
    if (!apart) content.copy(room);
    slabs.add(frameOf(item, apart ? content : room));
    slabs.add({ type: 'zero', item, block: 9, count: 2 });
    const error = new AfterimageError('damaged', 'gone');
    slabs.add({ type: 'failed', item, block: 11, error });
    const type = length > 65_536 ? 'run' : 'block';
    expected.push(
      `${item} ${type} 0 ${length} good`,
      `${item} zero 9 2`,
      `${item} failed 11 damaged`,
    );
  }
  slabs.end();
  const pieces = slabs.takeFull();
  expect(await decode(pieces.map(({ bytes }) => bytes))).toEqual(expected);
  slabs.drop();
});

it('buffers that were given back: are used again', () => {
  const pool = new SlabPool();
  const slab = pool.take();
  pool.give(slab);
  expect(pool.take() === slab).toBe(true);
  expect(pool.take() === slab).toBe(false);
});
