/** How soon a write is in a point, in continuous mode. See docs/guide/benchmarks.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureCommits } from './commit-latency.js';
import type { Figure } from './figure.js';
import type { RunOptions } from './run-options.js';
import { quantile, summarise } from './summary.js';

const SEED = 1;
/** At scale 1. */
const WRITES = 120;
const WRITES_MIN = 10;

export async function run({ rounds, scale }: RunOptions): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-bench-'));
  const clear = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.once('exit', clear);
  try {
    const commits = await measureCommits({
      folder: join(folder, 'continuous'),
      rounds,
      writes: Math.max(WRITES_MIN, Math.round(WRITES * scale)),
      seed: SEED,
    });
    return figuresOf(commits);
  } finally {
    process.removeListener('exit', clear);
    clear();
  }
}

function figuresOf(commits: readonly (readonly number[])[]): Figure[] {
  const at = (share: number): number[] =>
    commits.map((round) =>
      quantile(
        [...round].sort((a, b) => a - b),
        share,
      ),
    );
  return [
    summarise({ name: 'commit_latency_p50_ms', unit: 'ms', rounds: at(0.5) }, { atMost: 250 }),
    summarise({ name: 'commit_latency_p99_ms', unit: 'ms', rounds: at(0.99) }),
  ];
}
