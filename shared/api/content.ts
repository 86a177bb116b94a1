/**
 * The batched read of contents: one request names many files and block ranges, one binary stream
 * answers. The stream is a run of frames, each a 48-byte little-endian header and its bytes:
 *
 *   offset 0  u8   1 block, 2 run of zero blocks, 3 failed block, 4 end, 5 run of blocks
 *          4  u32  index of the item in the request
 *          8  u32  block number
 *         12  u32  bytes that follow (block: its length; failed: a problem as JSON); for a zero run,
 *                  the number of blocks, and no bytes follow; for a run of blocks, their bytes,
 *                  before which their digests follow
 *         16  32   BLAKE3 digest of a block's bytes, as the index has it; else zeros
 *
 * Runs of blocks come only where the request says `runs`. Every block that comes was checked, unless
 * the request says `unchecked`: then the asker does, and asks again without that for what fails.
 *
 * Frames come in the order of items and blocks. A failed block does not end the stream. A stream
 * without an end frame was cut off.
 */
import { z } from 'zod';
import { AfterimageError } from '../errors.js';
import { BLOCK_BYTES, blockCount, DIGEST_BYTES } from '../limits.js';
import { fromProblem, problemSchema, type Problem } from './problem.js';

export const CONTENT_TYPE = 'application/x-afterimage-content';
export const ITEMS_MAX = 20_000;
export const RANGES_MAX = 100_000;
/** Bytes of a run of blocks. */
export const RUN_BYTES_MAX = 1024 * 1024;
export const HEADER_BYTES = 48;
const PROBLEM_BYTES_MAX = 64 * 1024;

const blockNumber = z.number().int().min(0).max(0xffff_ffff);

export const contentRequestSchema = z.object({
  items: z
    .array(
      z.object({
        node: z.number().int().positive(),
        /** [first block, number of blocks], ascending; the whole file when left out. */
        ranges: z.array(z.tuple([blockNumber, blockNumber.min(1)])).optional(),
      }),
    )
    .max(ITEMS_MAX)
    .refine(
      (items) => items.reduce((sum, item) => sum + (item.ranges?.length ?? 0), 0) <= RANGES_MAX,
      `more than ${RANGES_MAX} ranges`,
    ),
  /** Blocks that follow each other may come as one frame. */
  runs: z.literal(true).optional(),
  /** The asker checks each block against its digest; blocks at hand need not be checked before. */
  unchecked: z.literal(true).optional(),
});
export type ContentRequest = z.infer<typeof contentRequestSchema>;

export type ContentFrame =
  | {
      readonly type: 'block';
      readonly item: number;
      readonly block: number;
      readonly digest: Buffer;
      readonly bytes: Buffer;
    }
  | {
      readonly type: 'run';
      readonly item: number;
      /** The first of them. */
      readonly block: number;
      /** 32 bytes a block. */
      readonly digests: Buffer;
      readonly bytes: Buffer;
    }
  | {
      readonly type: 'zero';
      readonly item: number;
      readonly block: number;
      readonly count: number;
    }
  | {
      readonly type: 'failed';
      readonly item: number;
      readonly block: number;
      readonly error: AfterimageError;
    };

const typeNumbers = { block: 1, zero: 2, failed: 3, end: 4, run: 5 } as const;

/** Bytes that may follow a header, less the digests of a run. */
const bytesMaxes = new Map<number, number>([
  [typeNumbers.block, BLOCK_BYTES],
  [typeNumbers.failed, PROBLEM_BYTES_MAX],
  [typeNumbers.run, RUN_BYTES_MAX],
]);
/** The longest of all frames. */
const FRAME_BYTES_MAX = HEADER_BYTES + blockCount(RUN_BYTES_MAX) * DIGEST_BYTES + RUN_BYTES_MAX;

interface FrameHead {
  readonly type: keyof typeof typeNumbers;
  readonly item: number;
  readonly block: number;
  /** Length or count, as the type has it. */
  readonly amount: number;
}

function encodeHead(
  head: FrameHead,
  digest?: Uint8Array,
  bytes: Buffer = Buffer.allocUnsafe(HEADER_BYTES),
): Buffer {
  bytes.fill(0, 0, HEADER_BYTES);
  bytes.writeUInt8(typeNumbers[head.type], 0);
  bytes.writeUInt32LE(head.item, 4);
  bytes.writeUInt32LE(head.block, 8);
  bytes.writeUInt32LE(head.amount, 12);
  if (digest !== undefined) bytes.set(digest, 16);
  return bytes;
}

/** What stands before the bytes of a block, or of a run of blocks. */
export function blocksHeadBytes(length: number): number {
  const blocks = blockCount(length);
  return blocks > 1 ? HEADER_BYTES + blocks * DIGEST_BYTES : HEADER_BYTES;
}

/** Writes `blocksHeadBytes` into the begin of `room`: the bytes go after them. */
export function encodeBlocksHead(
  frame: ContentFrame & { readonly type: 'block' | 'run' },
  room: Buffer,
): void {
  const { type, item, block, bytes } = frame;
  const head = { type, item, block, amount: bytes.length };
  if (type === 'block') {
    encodeHead(head, frame.digest, room);
  } else {
    encodeHead(head, undefined, room);
    room.set(frame.digests, HEADER_BYTES);
  }
}

export function encodeZeroRun(run: {
  readonly item: number;
  readonly block: number;
  readonly count: number;
}): Buffer {
  return encodeHead({ ...run, type: 'zero', amount: run.count });
}

export function encodeFailed(failed: {
  readonly item: number;
  readonly block: number;
  readonly problem: Problem;
}): Buffer {
  const body = Buffer.from(JSON.stringify(failed.problem));
  const head = encodeHead({ ...failed, type: 'failed', amount: body.length });
  return Buffer.concat([head, body]);
}

export function encodeEnd(): Buffer {
  return encodeHead({ type: 'end', item: 0, block: 0, amount: 0 });
}

/**
 * Frames of a stream of chunks. A block's bytes are a view, valid until the next frame is asked for.
 * Throws `answer-malformed` when the stream breaks a bound or lacks its end.
 */
export async function* decodeContent(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ContentFrame> {
  const queue = new ChunkQueue();
  for await (const chunk of chunks) {
    queue.push(chunk);
    yield* framesOf(queue);
    if (queue.ended) return;
  }
  throw malformed('the stream of contents ended early');
}

function* framesOf(queue: ChunkQueue): Generator<ContentFrame> {
  while (queue.bytes >= HEADER_BYTES) {
    const length = frameLength(queue.peek(HEADER_BYTES));
    if (queue.bytes < length) return;
    const frame = decodeFrame(queue.peek(length));
    if (frame === 'end') {
      queue.ended = true;
      return;
    }
    yield frame;
    queue.drop(length);
  }
}

/** Chunks as they came; what spans several is put together in one buffer that is used again. */
class ChunkQueue {
  readonly #chunks: Buffer[] = [];
  #joined = Buffer.allocUnsafe(HEADER_BYTES + Math.max(BLOCK_BYTES, PROBLEM_BYTES_MAX));
  bytes = 0;
  ended = false;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.bytes += chunk.length;
  }

  /** The next `length` bytes, which are there; valid until the next call. */
  peek(length: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= length) return first.subarray(0, length);
    if (length > this.#joined.length) this.#joined = Buffer.allocUnsafe(FRAME_BYTES_MAX);
    let filled = 0;
    for (const chunk of this.#chunks) {
      if (filled >= length) break;
      filled += chunk.copy(this.#joined, filled, 0, length - filled);
    }
    return this.#joined.subarray(0, length);
  }

  drop(length: number): void {
    this.bytes -= length;
    let left = length;
    while (left > 0) {
      const first = this.#chunks[0];
      if (first === undefined) return;
      if (first.length > left) this.#chunks[0] = first.subarray(left);
      else this.#chunks.shift();
      left -= first.length;
    }
  }
}

/** Bytes of the frame that begins with this header. */
function frameLength(header: Buffer): number {
  const type = header.readUInt8(0);
  const amount = header.readUInt32LE(12);
  const bytesMax = bytesMaxes.get(type) ?? 0;
  if (bytesMax === 0) return HEADER_BYTES;
  if (amount > bytesMax) throw malformed(`a frame of ${amount} bytes in a stream of contents`);
  return HEADER_BYTES + amount + (type === typeNumbers.run ? blockCount(amount) * DIGEST_BYTES : 0);
}

function decodeFrame(bytes: Buffer): ContentFrame | 'end' {
  const item = bytes.readUInt32LE(4);
  const block = bytes.readUInt32LE(8);
  const body = bytes.subarray(HEADER_BYTES);
  switch (bytes.readUInt8(0)) {
    case typeNumbers.block:
      return {
        type: 'block',
        item,
        block,
        digest: bytes.subarray(16, 16 + DIGEST_BYTES),
        bytes: body,
      };
    case typeNumbers.run: {
      const digests = body.subarray(0, blockCount(bytes.readUInt32LE(12)) * DIGEST_BYTES);
      return { type: 'run', item, block, digests, bytes: body.subarray(digests.length) };
    }
    case typeNumbers.zero:
      return { type: 'zero', item, block, count: bytes.readUInt32LE(12) };
    case typeNumbers.failed:
      return { type: 'failed', item, block, error: decodeProblem(body) };
    case typeNumbers.end:
      return 'end';
    default:
      throw malformed(`unknown frame type ${bytes.readUInt8(0)} in a stream of contents`);
  }
}

function decodeProblem(body: Buffer): AfterimageError {
  try {
    return fromProblem(problemSchema.parse(JSON.parse(body.toString())));
  } catch (cause) {
    throw malformed('a failed block without a readable problem', cause);
  }
}

function malformed(message: string, cause?: unknown): AfterimageError {
  return new AfterimageError('answer-malformed', message, { cause });
}
