/**
 * How long a write takes to be in a point while a large set is written to all the time: lines are
 * appended to small files of a set of many, at a fixed rate, and the replica is asked until its
 * newest point has each. An upper bound: asking takes time, too.
 */
import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import { Product } from '../harness.js';
import { type ManyFiles, writeManyFiles } from '../trees/many-files.js';
import { Random } from '../trees/random.js';

const LINE = 'one more line\n';
const POLL_MS = 2;
const COMMIT_MS_MAX = 60_000;
/** After the first copy: what it left unsettled is looked at again first. */
const SETTLE_WRITES = 100;

export interface BusyOptions {
  readonly folder: string;
  readonly files: number;
  readonly writes: number;
  readonly perSecond: number;
  readonly seed: number;
  readonly say: (text: string) => void;
}

export interface BusyCommits {
  /** Of every write, ascending. */
  readonly latenciesMs: readonly number[];
  /** At its peak. */
  readonly agentRssMib: number;
}

interface Write {
  readonly path: string;
  readonly size: number;
  readonly writtenMs: number;
}

/** Throws `timed-out` when a write never came to a point. */
export async function measureBusyCommits(options: BusyOptions): Promise<BusyCommits> {
  const { folder, files, say } = options;
  const root = join(folder, 'tree');
  say(`writing ${files} files\n`);
  const tree = writeManyFiles({ folder: root, files });
  const product = await Product.start({
    root,
    folder: join(folder, 'afterimage'),
    schedule: 'continuous',
  });
  try {
    say('first copy\n');
    await product.copy();
    say('writes\n');
    await new Writes(product, tree, options).run(SETTLE_WRITES);
    const latenciesMs = await new Writes(product, tree, options).run(options.writes);
    return {
      latenciesMs: latenciesMs.sort((a, b) => a - b),
      agentRssMib: product.costs().agent.rssPeakMib,
    };
  } finally {
    await product.stop();
  }
}

class Writes {
  readonly #product: Product;
  readonly #tree: ManyFiles;
  readonly #options: BusyOptions;
  readonly #random: Random;
  readonly #waiting: Write[] = [];
  readonly #latenciesMs: number[] = [];

  constructor(product: Product, tree: ManyFiles, options: BusyOptions) {
    this.#product = product;
    this.#tree = tree;
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
    const path = this.#tree.pathOf(this.#random.below(this.#tree.files));
    const full = join(this.#tree.folder, path);
    const writtenMs = performance.now();
    appendFileSync(full, LINE);
    this.#waiting.push({ path, size: statSync(full).size, writtenMs });
  }

  /** Asks for the oldest write that is not in a point yet. */
  async #watch(count: number): Promise<void> {
    while (this.#latenciesMs.length < count) {
      const oldest = this.#waiting[0];
      const size = oldest === undefined ? undefined : await this.#product.sizeOf(oldest.path);
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
