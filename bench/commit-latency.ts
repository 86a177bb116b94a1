/**
 * How long a write takes to be in a point, in continuous mode: a small file grows by a line at
 * moments without order, and the replica is asked until its newest point has the new size.
 */
import { appendFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError } from '../shared/errors.js';
import { Product } from './harness.js';
import { writeMixedTree } from './trees/mixed-tree.js';
import { Random } from './trees/random.js';

const WATCHED = 'watched.txt';
const LINE = 'one more line\n';
/** 1,000 small files and little else. */
const TREE_SCALE = 0.025;
const PAUSE_MS_MAX = 1000;
const POLL_MS = 3;
const COMMIT_MS_MAX = 30_000;

export interface LatencyOptions {
  readonly folder: string;
  readonly rounds: number;
  readonly writes: number;
  readonly seed: number;
}

/** Milliseconds of every write, by round. Throws `timed-out` when one never came. */
export async function measureCommits(options: LatencyOptions): Promise<number[][]> {
  const { folder, rounds, writes, seed } = options;
  const root = join(folder, 'tree');
  writeMixedTree({ folder: root, scale: TREE_SCALE, seed });
  const path = join(root, WATCHED);
  appendFileSync(path, LINE);
  const product = await Product.start({
    root,
    folder: join(folder, 'afterimage'),
    schedule: 'continuous',
  });
  try {
    await product.copy();
    const random = new Random(seed);
    const measured: number[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      const latencies: number[] = [];
      for (let write = 0; write < writes; write += 1) {
        await delay(random.below(PAUSE_MS_MAX));
        latencies.push(await commitOne(product, path));
      }
      measured.push(latencies);
    }
    return measured;
  } finally {
    await product.stop();
  }
}

async function commitOne(product: Product, path: string): Promise<number> {
  const start = performance.now();
  appendFileSync(path, LINE);
  const { size } = statSync(path);
  while ((await product.sizeOf(WATCHED)) !== size) {
    if (performance.now() - start > COMMIT_MS_MAX) {
      throw new AfterimageError('timed-out', `a write was not committed in ${COMMIT_MS_MAX} ms`);
    }
    await delay(POLL_MS);
  }
  return performance.now() - start;
}
