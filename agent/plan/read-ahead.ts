/**
 * Reads a large file from its start to its end with the runs that come next read and named by
 * workers meanwhile. Where there are none, where the file is small or has holes, or when all of them
 * are busy, a run is read at once.
 */
import { blockCount, BLOCK_BYTES, DIGEST_BYTES } from '../../shared/limits.js';
import { ROW_BLOCKS } from '../state/block-row.js';
import type { Slot } from '../workers/slot.js';
import type { Workshop } from '../workers/workshop.js';
import type { BlockReader, BlockRun } from './block-reader.js';

const RUN_BYTES = ROW_BLOCKS * BLOCK_BYTES;
/** Smaller files are read before a worker would have begun. */
const FILE_BYTES_MIN = 4 * RUN_BYTES;
const RUNS_AHEAD = 2;

interface Ahead {
  readonly slot: Slot;
  readonly first: number;
  readonly length: number;
  readonly done: Promise<number>;
}

export class ReadAhead {
  readonly #work: Workshop;
  readonly #reader: BlockReader;
  readonly #fd: number;
  readonly #until: number;
  readonly #ahead: Ahead[] = [];
  /** Holds the run that was read last. */
  #used: Slot | undefined;

  /** `fd` must stay open until `close` has resolved. */
  constructor(
    work: Workshop,
    reader: BlockReader,
    file: { readonly fd: number; readonly size: number },
  ) {
    this.#work = work;
    this.#reader = reader;
    this.#fd = file.fd;
    const aside = work.workers > 0 && file.size >= FILE_BYTES_MIN && !reader.sparse;
    this.#until = aside ? file.size : 0;
  }

  /** As `BlockReader.read`. Rejects with the system's error. */
  read(run: BlockRun, first: number, length: number): Promise<void> | undefined {
    if (this.#used !== undefined) this.#work.free(this.#used);
    this.#used = undefined;
    if (this.#until === 0) {
      this.#reader.read(run, first, length);
      return undefined;
    }
    this.#fill(first, length);
    const next = this.#ahead[0];
    if (next?.first === first && next.length === length) {
      this.#ahead.shift();
      this.#used = next.slot;
      return this.#take(run, next);
    }
    this.#reader.read(run, first, length);
    return undefined;
  }

  /** Waits for what is still read. */
  close(): Promise<void> | undefined {
    if (this.#used !== undefined) this.#work.free(this.#used);
    this.#used = undefined;
    return this.#ahead.length === 0 ? undefined : this.#giveUp();
  }

  async #take(run: BlockRun, { slot, done }: Ahead): Promise<void> {
    const length = await done;
    run.hole = false;
    run.length = length;
    run.bytes = slot.content.subarray(0, length);
    const blocks = blockCount(length);
    run.digests.set(slot.digests.subarray(0, blocks * DIGEST_BYTES));
    run.fingerprints.set(slot.fingerprints);
    this.#reader.bytesRead += length;
  }

  async #giveUp(): Promise<void> {
    for (const { slot, done } of this.#ahead.splice(0)) {
      // Nobody asked for it.
      await done.catch(() => undefined);
      this.#work.free(slot);
    }
  }

  /** Has the run asked for read, and those behind it. */
  #fill(first: number, length: number): void {
    const last = this.#ahead.at(-1);
    let start = last === undefined ? first * BLOCK_BYTES : last.first * BLOCK_BYTES + last.length;
    let next = last === undefined ? length : RUN_BYTES;
    while (this.#ahead.length < RUNS_AHEAD + 1 && start < this.#until) {
      const slot = this.#work.take();
      if (slot === undefined) return;
      const wanted = Math.min(next, this.#until - start);
      const job = { type: 'run', fd: this.#fd, offset: start, length: wanted } as const;
      const done = this.#work.perform(job, slot);
      // It is thrown where the run is used.
      done.catch(() => undefined);
      this.#ahead.push({ slot, first: start / BLOCK_BYTES, length: wanted, done });
      start += wanted;
      next = RUN_BYTES;
    }
  }
}
