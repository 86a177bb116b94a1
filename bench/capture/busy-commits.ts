/**
 * How long a write takes to be in a point while a large set is written to all the time: lines are
 * appended to small files of a set of many, at a fixed rate, and the replica is asked until its
 * newest point has each. An upper bound: asking takes time, too.
 */
import { appendFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import { Random } from '../trees/random.js';
import type { WideSet } from './scan.js';

const LINE = 'one more line\n';
const POLL_MS = 2;
const COMMIT_MS_MAX = 60_000;
/** The agent's own first look at everything comes before what is measured. */
const SETTLE_WRITES = 100;

export interface BusyOptions extends WideSet {
  readonly writes: number;
  readonly perSecond: number;
  readonly seed: number;
}

interface Write {
  readonly path: string;
  readonly size: number;
  readonly writtenMs: number;
}

/** Milliseconds of every write, ascending. Throws `timed-out` when one never came to a point. */
export async function measureBusyCommits(options: BusyOptions): Promise<number[]> {
  await options.product.follow();
  await new Writes(options).run(SETTLE_WRITES);
  const latenciesMs = await new Writes(options).run(options.writes);
  return latenciesMs.sort((a, b) => a - b);
}

class Writes {
  readonly #options: BusyOptions;
  readonly #random: Random;
  readonly #waiting: Write[] = [];
  readonly #latenciesMs: number[] = [];

  constructor(options: BusyOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(count: number): Promise<number[]> {
    const everyMs = 1000 / this.#options.perSecond;
    const startMs = performance.now();
    const watching = this.#watch(count);
    for (let at = 0; at < count; at += 1) {
      await delay(Math.max(0, startMs + at * everyMs - performance.now()));
      this.#write();
    }
    await watching;
    return this.#latenciesMs;
  }

  #write(): void {
    const { pathOf, files } = this.#options;
    const path = pathOf(this.#random.below(files));
    const writtenMs = performance.now();
    appendFileSync(path, LINE);
    this.#waiting.push({ path, size: statSync(path).size, writtenMs });
  }

  /** Asks for the oldest write that is not in a point yet. */
  async #watch(count: number): Promise<void> {
    const { product } = this.#options;
    while (this.#latenciesMs.length < count) {
      const oldest = this.#waiting[0];
      const size =
        oldest === undefined ? undefined : await product.sizeOf(product.inRoot(oldest.path));
      const nowMs = performance.now();
      if (oldest !== undefined && size !== undefined && size >= oldest.size) {
        this.#latenciesMs.push(nowMs - oldest.writtenMs);
        this.#waiting.shift();
        continue;
      }
      if (oldest !== undefined && nowMs - oldest.writtenMs > COMMIT_MS_MAX) {
        throw new AfterimageError('timed-out', `a write was not committed in ${COMMIT_MS_MAX} ms`);
      }
      await delay(POLL_MS);
    }
  }
}
