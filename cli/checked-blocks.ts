/** Reads blocks of one file over the API and checks each against its digest. */
import type { ContentFrame } from '../shared/api/content.js';
import { AfterimageError } from '../shared/errors.js';
import type { HashCore } from '../shared/hash/hash-core.js';
import { BLOCK_BYTES, blockLength, DIGEST_BYTES } from '../shared/limits.js';
import type { BlockRange } from '../shared/restore/point-source.js';
import type { ApiClient } from './api-client.js';
import { HttpSource } from './http-source.js';

export interface CheckedBlock {
  readonly block: number;
  /** Valid until the next block. */
  readonly bytes: Buffer;
}

const zeros = Buffer.alloc(BLOCK_BYTES);

/** Ascending, zero blocks included. Throws `damaged` and `answer-malformed`. */
export async function* checkedBlocks(
  api: ApiClient,
  file: {
    readonly hash: HashCore;
    readonly set: string;
    readonly point: number;
    readonly node: number;
    readonly size: number;
    readonly range: BlockRange;
  },
): AsyncGenerator<CheckedBlock> {
  const { hash, node, size, range } = file;
  let next = range.first;
  for await (const frame of new HttpSource(api, file).read([{ node, ranges: [range] }])) {
    if (frame.type === 'failed') throw frame.error;
    if (frame.block !== next) throw broken(next);
    if (frame.type === 'zero') {
      for (; next < frame.block + frame.count; next += 1) {
        yield { block: next, bytes: zeros.subarray(0, blockLength(size, next)) };
      }
      continue;
    }
    for (const { digest, bytes } of blocksOf(frame)) {
      const whole = bytes.length === blockLength(size, next);
      if (!whole || !hash.digest(bytes).equals(digest)) throw broken(next);
      yield { block: next, bytes };
      next += 1;
    }
  }
  if (next !== range.first + range.count) throw broken(next);
}

function* blocksOf(
  frame: ContentFrame & { readonly type: 'block' | 'run' },
): Generator<{ readonly digest: Buffer; readonly bytes: Buffer }> {
  if (frame.type === 'block') {
    yield frame;
    return;
  }
  const { digests, bytes } = frame;
  for (let index = 0; index * DIGEST_BYTES < digests.length; index += 1) {
    yield {
      digest: digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
      bytes: bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES),
    };
  }
}

function broken(block: number): AfterimageError {
  return new AfterimageError('answer-malformed', `block ${block} arrived broken or not at all`, {
    facts: { block },
  });
}
