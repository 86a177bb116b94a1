/**
 * One question for blocks of a file that follow each other, and who waits for them. Blocks go to the
 * store as they come, each checked against its digest here; those that do not match are asked for once
 * more, to be checked by the replica as well, and fail on their own.
 */
import { type ContentFrame, decodeContent } from '../../shared/api/content.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import type { BlockRange } from '../../shared/restore/point-source.js';
import { type ApiClient, setPath } from '../api-client.js';
import { type BlockStore, ZERO_COUNT_MAX } from './block-store.js';
import type { MountedPoint } from './point-tree.js';
import type { Reach } from './trouble.js';

export interface FileAt {
  readonly at: MountedPoint;
  readonly node: number;
  readonly size: number;
  /** Names the file in the store. */
  readonly key: string;
}

export interface FetchMeans {
  readonly api: ApiClient;
  readonly reach: Reach;
  readonly hash: HashCore;
  readonly store: BlockStore;
}

interface Waiter {
  readonly until: number;
  readonly wake: () => void;
}

type Blocks = ContentFrame & { readonly type: 'block' | 'run' };

export class BlockFetch {
  readonly #file: FileAt;
  readonly #means: FetchMeans;
  readonly first: number;
  /** The block after the last one. */
  readonly end: number;
  /** Blocks before this one have come, or failed. */
  #next: number;
  readonly #failed = new Map<number, AfterimageError>();
  #waiters: Waiter[] = [];
  #error: AfterimageError | undefined;
  readonly ended: Promise<void>;

  /** Asks at once. `ended` never rejects. */
  constructor(file: FileAt, range: BlockRange, means: FetchMeans) {
    this.#file = file;
    this.#means = means;
    this.first = range.first;
    this.end = range.first + range.count;
    this.#next = range.first;
    this.ended = this.#run();
  }

  has(block: number): boolean {
    return block >= this.first && block < this.end;
  }

  /** Resolves when the block is in the store. Throws why it is not. */
  async until(block: number): Promise<void> {
    if (block >= this.#next && this.#error === undefined) {
      await new Promise<void>((resolve) => {
        this.#waiters.push({ until: block, wake: resolve });
      });
    }
    const failed = this.#failed.get(block);
    if (failed !== undefined) throw failed;
    if (block >= this.#next && this.#error !== undefined) throw this.#error;
  }

  async #run(): Promise<void> {
    try {
      // What came before the replica went away is there: it goes on behind that.
      await this.#means.reach.ask(() => this.#receive());
      if (this.#next < this.end) throw incomplete(this.#next);
    } catch (error) {
      this.#error = asAfterimageError(error);
    }
    this.#wake(this.end);
  }

  async #receive(): Promise<void> {
    if (this.#next >= this.end) return;
    const frames = this.#ask({ first: this.#next, count: this.end - this.#next }, 'unchecked');
    for await (const frame of frames) {
      if (frame.block !== this.#next || this.#next >= this.end) throw incomplete(this.#next);
      switch (frame.type) {
        case 'failed':
          this.#failed.set(frame.block, frame.error);
          this.#advance(1);
          break;
        case 'zero':
          this.#addZeros(frame);
          break;
        default:
          await this.#addBlocks(frame);
      }
    }
  }

  #ask(range: BlockRange, manner: 'unchecked' | 'checked'): AsyncGenerator<ContentFrame> {
    const { at, node } = this.#file;
    const body = {
      runs: true,
      ...(manner === 'unchecked' ? { unchecked: true } : {}),
      items: [{ node, ranges: [[range.first, range.count]] }],
    };
    const path = setPath(at.set, 'points', String(at.point), 'content');
    return decodeContent(this.#means.api.chunks({ path, body }));
  }

  #addZeros({ block, count }: { readonly block: number; readonly count: number }): void {
    if (block + count > this.end) throw incomplete(block);
    for (let first = block; first < block + count; first += ZERO_COUNT_MAX) {
      const length = Math.min(ZERO_COUNT_MAX, block + count - first);
      this.#means.store.add({ file: this.#file.key, first, count: length, bytes: undefined });
    }
    this.#advance(count);
  }

  async #addBlocks(frame: Blocks): Promise<void> {
    const { store } = this.#means;
    const count = Math.ceil(frame.bytes.length / BLOCK_BYTES);
    const first = frame.block;
    const whole = this.#bytesOf(first, count);
    if (count === 0 || first + count > this.end || frame.bytes.length !== whole) {
      throw incomplete(first);
    }
    const bytes = store.room(frame.bytes.length);
    frame.bytes.copy(bytes);
    const digests = Buffer.from(frame.type === 'block' ? frame.digest : frame.digests);
    const wrong = this.#wrong(bytes, digests);
    if (wrong.length > 0) await this.#askAgain({ first, bytes, wrong });
    if (wrong.some((index) => this.#failed.has(first + index))) this.#addOneByOne(first, bytes);
    else store.add({ file: this.#file.key, first, count, bytes });
    this.#advance(count);
  }

  /** Leaves out what failed. */
  #addOneByOne(first: number, run: Buffer): void {
    const { store } = this.#means;
    for (let block = first; (block - first) * BLOCK_BYTES < run.length; block += 1) {
      if (this.#failed.has(block)) continue;
      const start = (block - first) * BLOCK_BYTES;
      const bytes = store.room(blockLength(this.#file.size, block));
      run.copy(bytes, 0, start);
      store.add({ file: this.#file.key, first: block, count: 1, bytes });
    }
    store.give(run);
  }

  #bytesOf(first: number, count: number): number {
    const { size } = this.#file;
    return Math.min(size, (first + count) * BLOCK_BYTES) - first * BLOCK_BYTES;
  }

  /** Blocks of the run whose bytes are not what their digests say. */
  #wrong(bytes: Buffer, digests: Buffer): number[] {
    const { hash } = this.#means;
    const found = hash.digestBlocks(bytes).digests;
    if (Buffer.compare(found.subarray(0, digests.length), digests) === 0) return [];
    const wrong: number[] = [];
    for (let index = 0; index * DIGEST_BYTES < digests.length; index += 1) {
      const at = index * DIGEST_BYTES;
      const expected = digests.subarray(at, at + DIGEST_BYTES);
      if (!expected.equals(found.subarray(at, at + DIGEST_BYTES))) wrong.push(index);
    }
    return wrong;
  }

  async #askAgain(run: {
    readonly first: number;
    readonly bytes: Buffer;
    readonly wrong: readonly number[];
  }): Promise<void> {
    for (const index of run.wrong) {
      const block = run.first + index;
      for await (const frame of this.#ask({ first: block, count: 1 }, 'checked')) {
        const start = index * BLOCK_BYTES;
        if (frame.type === 'failed') this.#failed.set(block, frame.error);
        else if (frame.type === 'zero') {
          run.bytes.fill(0, start, start + blockLength(this.#file.size, block));
        } else if (this.#isRight(frame)) frame.bytes.copy(run.bytes, start);
        else throw incomplete(block);
      }
    }
  }

  #isRight(frame: Blocks): boolean {
    const digests = frame.type === 'block' ? frame.digest : frame.digests;
    const whole = frame.bytes.length === blockLength(this.#file.size, frame.block);
    return whole && this.#wrong(frame.bytes, Buffer.from(digests)).length === 0;
  }

  #advance(count: number): void {
    this.#next += count;
    this.#wake(this.#next);
  }

  #wake(before: number): void {
    if (this.#waiters.length === 0) return;
    const woken = this.#waiters.filter(({ until }) => until < before);
    if (woken.length === 0) return;
    this.#waiters = this.#waiters.filter(({ until }) => until >= before);
    for (const { wake } of woken) wake();
  }
}

function incomplete(block: number): AfterimageError {
  return new AfterimageError('answer-malformed', `block ${block} arrived broken or not at all`, {
    facts: { block },
  });
}
