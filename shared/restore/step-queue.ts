/**
 * Runs steps in order, and asks for the contents of many files at once, so that small files cost no
 * round trip each. While one batch is written the next is planned and its contents are on their way;
 * no more than two are in memory.
 */
import type { ContentFrame } from '../api/content.js';
import { ITEMS_MAX, RANGES_MAX } from '../api/content.js';
import { type AfterimageError, asAfterimageError } from '../errors.js';
import type { HashCore } from '../hash/hash-core.js';
import { TimeSlice } from '../time-slice.js';
import { checkedFrames } from './checked-frames.js';
import { rangeBytes } from './compare-file.js';
import type { Outcome } from './outcome.js';
import type { PointSource, ReadItem } from './point-source.js';
import type { Step } from './step.js';
import type { Frames, StepRunner } from './step-runner.js';
import { throwIfCancelled } from './cancelled.js';

const BATCH_STEPS_MAX = Math.min(4096, ITEMS_MAX);
/** Contents of a batch, unless one file alone is larger. The first ones are smaller: nothing is written before. */
const BATCH_BYTES_MAX = 64 * 1024 * 1024;
const FIRST_BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_RANGES_MAX = RANGES_MAX / 2;

export class StepQueue {
  readonly #source: PointSource;
  readonly #hash: HashCore;
  readonly #runner: StepRunner;
  readonly #outcome: Outcome;
  readonly #signal: AbortSignal;
  readonly #onBatch: () => void;
  #steps: Step[] = [];
  #bytes = 0;
  #bytesMax = FIRST_BATCH_BYTES;
  #ranges = 0;
  #running: Promise<void> = Promise.resolve();
  /** The last path that failed: what is at or below it is skipped. */
  #failed: Buffer | undefined;

  constructor(context: {
    readonly source: PointSource;
    readonly hash: HashCore;
    readonly runner: StepRunner;
    readonly outcome: Outcome;
    readonly signal: AbortSignal;
    /** A batch was written. */
    readonly onBatch: () => void;
  }) {
    this.#onBatch = context.onBatch;
    this.#source = context.source;
    this.#hash = context.hash;
    this.#runner = context.runner;
    this.#outcome = context.outcome;
    this.#signal = context.signal;
  }

  /** Waits while a full batch is being written. Rejects when the restore has to stop. */
  async push(step: Step): Promise<void> {
    this.#steps.push(step);
    if (step.type === 'file') this.#bytes += step.version.size;
    if (step.type === 'patch') {
      this.#bytes += rangeBytes(step.ranges, step.version.size);
      this.#ranges += step.ranges.length;
    }
    const full =
      this.#steps.length >= BATCH_STEPS_MAX ||
      this.#bytes >= this.#bytesMax ||
      this.#ranges >= BATCH_RANGES_MAX;
    if (full) await this.#next();
  }

  /** Resolves when every step was carried out. */
  async drain(): Promise<void> {
    await this.#next();
    await this.#running;
  }

  /** Waits for the batch under way, whatever becomes of it. */
  async settle(): Promise<void> {
    await this.#running.catch(() => undefined);
  }

  async #next(): Promise<void> {
    const steps = this.#steps;
    this.#steps = [];
    this.#bytes = 0;
    this.#bytesMax = Math.min(BATCH_BYTES_MAX, 2 * this.#bytesMax);
    this.#ranges = 0;
    const items = steps.flatMap((step) => readItem(step) ?? []);
    const reader = new ItemReader(items.length === 0 ? noFrames() : this.#read(items));
    try {
      await this.#running;
    } catch (error) {
      await reader.close();
      throw error;
    }
    this.#running = this.#run(steps, reader);
    // Whoever pushes or drains next gets the failure; nothing is lost by not listening here.
    this.#running.catch(() => undefined);
  }

  async #run(steps: readonly Step[], reader: ItemReader): Promise<void> {
    const slice = new TimeSlice();
    let item = 0;
    try {
      for (const step of steps) {
        await slice.breathe();
        throwIfCancelled(this.#signal);
        const frames = readItem(step) === undefined ? noFrames() : reader.item(item++);
        await this.#attempt(step, frames);
        if (reader.failure !== undefined) throw reader.failure;
      }
      this.#runner.flush();
      this.#onBatch();
    } finally {
      await reader.close();
    }
  }

  async #attempt(step: Step, frames: Frames): Promise<void> {
    if (this.#failed !== undefined && isAtOrBelow(step.path, this.#failed)) return;
    try {
      await this.#carryOut(step, frames);
    } catch (error) {
      throwIfCancelled(this.#signal);
      this.#failed = step.path;
      this.#outcome.fail(step.path, error);
    }
  }

  async #carryOut(step: Step, frames: Frames): Promise<void> {
    if (step.type !== 'file') this.#runner.flush();
    switch (step.type) {
      case 'remove':
        this.#runner.remove(step);
        return;
      case 'rename':
        this.#runner.rename(step);
        return;
      case 'move':
        this.#runner.move(step);
        return;
      case 'folder':
        this.#runner.folder(step);
        return;
      case 'make':
        this.#runner.make(step);
        return;
      case 'link':
        if (this.#runner.link(step) === 'copied') await this.#copy(step);
        return;
      case 'file':
        await this.#runner.file(step, frames);
        return;
      case 'patch':
        await this.#runner.patch(step, frames);
        return;
      case 'settle':
        this.#runner.settle(step);
    }
  }

  #read(items: readonly ReadItem[]): Frames {
    return checkedFrames({ source: this.#source, hash: this.#hash, signal: this.#signal }, items);
  }

  async #copy(step: Step & { readonly type: 'link' }): Promise<void> {
    const { path, version } = step;
    if (version.kind !== 'file') {
      this.#runner.make({ type: 'make', path, version });
      return;
    }
    const frames = this.#read([{ node: version.node, size: version.size }]);
    await this.#runner.file({ type: 'file', path, version }, frames);
  }
}

function readItem(step: Step): ReadItem | undefined {
  if (step.type !== 'patch' && step.type !== 'file') return undefined;
  const { node, size } = step.version;
  if (step.type === 'patch') return { node, size, ranges: step.ranges };
  if (size > 0) return { node, size };
  return undefined;
}

function isAtOrBelow(path: Buffer, folder: Buffer): boolean {
  if (!path.subarray(0, folder.length).equals(folder)) return false;
  return path.length === folder.length || path[folder.length] === 0x2f;
}

async function* noFrames(): AsyncGenerator<ContentFrame> {
  // No content was asked for.
}

/**
 * Splits a stream of frames at its items; what a failed item left unread is skipped. The stream is
 * begun at once, whenever the first item is asked for.
 */
class ItemReader {
  readonly #frames: AsyncIterator<ContentFrame>;
  #first: Promise<IteratorResult<ContentFrame>> | undefined;
  #ahead: ContentFrame | undefined;
  /** Set when the stream itself broke, not one block: no later item will come. */
  failure: AfterimageError | undefined;

  constructor(frames: AsyncIterable<ContentFrame>) {
    this.#frames = frames[Symbol.asyncIterator]();
    this.#first = this.#frames.next();
    // Whoever asks for an item gets the failure; nothing is lost by not listening here.
    this.#first.catch(() => undefined);
  }

  async *item(index: number): AsyncGenerator<ContentFrame> {
    for (;;) {
      const frame = this.#ahead ?? (await this.#next());
      this.#ahead = frame;
      if (frame === undefined || frame.item > index) return;
      this.#ahead = undefined;
      if (frame.item === index) yield frame;
    }
  }

  async close(): Promise<void> {
    await this.#frames.return?.();
  }

  async #next(): Promise<ContentFrame | undefined> {
    try {
      const result = await (this.#first ?? this.#frames.next());
      this.#first = undefined;
      return result.done === true ? undefined : result.value;
    } catch (error) {
      this.failure = asAfterimageError(error);
      throw error;
    }
  }
}
