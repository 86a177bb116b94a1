/** Where a file has data and where holes, in blocks, told by the digests of its blocks. */
import { constants } from 'node:os';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { BLOCK_BYTES, blockCount, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import { type ApiClient, setPath } from '../api-client.js';
import type { FileAt } from './block-fetch.js';
import { BoundedMap } from './bounded-map.js';
import { FuseError, type Reach } from './trouble.js';

/** Blocks of one question: 256 MiB of a file. */
const RUN_BLOCKS = 4096;
const RUNS_KEPT_MAX = 16;

interface HoleMeans {
  readonly api: ApiClient;
  readonly reach: Reach;
  readonly hash: HashCore;
}

export class Holes {
  readonly #means: HoleMeans;
  readonly #runs = new BoundedMap<string, Buffer>(RUNS_KEPT_MAX);

  constructor(means: HoleMeans) {
    this.#means = means;
  }

  /** As lseek(2) has it: `ENXIO` past the end, or when no data follows. */
  async seek(
    file: FileAt,
    from: { readonly offset: number; readonly what: 'data' | 'hole' },
  ): Promise<number> {
    const { offset, what } = from;
    if (offset >= file.size) throw new FuseError(constants.errno.ENXIO);
    const end = blockCount(file.size);
    for (let block = Math.floor(offset / BLOCK_BYTES); block < end; block += 1) {
      const isHole = await this.#isHole(file, block);
      if (isHole === (what === 'hole')) return Math.max(offset, block * BLOCK_BYTES);
    }
    if (what === 'hole') return file.size;
    throw new FuseError(constants.errno.ENXIO);
  }

  async #isHole(file: FileAt, block: number): Promise<boolean> {
    if (file.size <= BLOCK_BYTES) return false;
    const first = block - (block % RUN_BLOCKS);
    const digests = await this.#run(file, first);
    const at = (block - first) * DIGEST_BYTES;
    const zero = zeroDigest(this.#means.hash, blockLength(file.size, block));
    return zero.equals(digests.subarray(at, at + DIGEST_BYTES));
  }

  async #run(file: FileAt, first: number): Promise<Buffer> {
    const key = `${file.key}:${first}`;
    const kept = this.#runs.get(key);
    if (kept !== undefined) return kept;
    const { set, point } = file.at;
    const path = setPath(set, 'points', String(point), 'digests', String(file.node));
    const digests = await this.#means.reach.ask(() =>
      this.#means.api.bytes({ path, query: { first, count: RUN_BLOCKS } }),
    );
    this.#runs.set(key, digests);
    return digests;
  }
}
