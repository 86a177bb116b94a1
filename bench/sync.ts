/**
 * The product from end to end beside rsync and restic: how long a first copy and later changes take,
 * what they send, how soon a write is in a point, and what the processes cost. See
 * docs/guide/benchmarks.md for each figure.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureCommits } from './commit-latency.js';
import type { Figure } from './figure.js';
import type { RunOptions } from './run-options.js';
import { summarise, quantile, type Promised } from './summary.js';
import { type Rounds, runRounds } from './sync-rounds.js';
import { writeMixedTree } from './trees/mixed-tree.js';

const SEED = 1;
/** At scale 1. */
const WRITES = 120;
const WRITES_MIN = 10;
const MB = 1e6;

/** Throws `mismatch` when a copy was wrong. */
export async function run({ rounds, scale }: RunOptions): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-bench-'));
  const clear = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.once('exit', clear);
  const say = (text: string): void => void process.stderr.write(text);
  try {
    say('writing the tree\n');
    const tree = writeMixedTree({ folder: join(folder, 'tree'), scale, seed: SEED });
    const measured = await runRounds({ tree, folder, rounds, say });
    for (const peer of ['rsync', 'restic']) {
      if (!measured.peers.has(peer)) say(`${peer} is not installed: its figures are left out\n`);
    }
    say('continuous mode\n');
    const commits = await measureCommits({
      folder: join(folder, 'continuous'),
      rounds,
      writes: Math.max(WRITES_MIN, Math.round(WRITES * scale)),
      seed: SEED,
    });
    return [...figuresOf(measured), ...latencyFigures(commits)];
  } finally {
    process.removeListener('exit', clear);
    clear();
  }
}

function figuresOf({ values, peers }: Rounds): Figure[] {
  const of = (key: string): readonly number[] => values.get(key) ?? [];
  const own = (step: string, what: 'ms' | 'bytes'): readonly number[] =>
    of(`${step}.afterimage.${what}`);
  const plain = (name: string, unit: string, key: string, promised: Promised = {}): Figure[] =>
    of(key).length === 0 ? [] : [summarise({ name, unit, rounds: of(key) }, promised)];
  const ratio = (step: string, peer: string, named = step): Figure[] => {
    const theirs = of(`${step}.${peer}.ms`);
    if (theirs.length === 0) return [];
    const rounds = own(step, 'ms').map((ms, round) => ms / (theirs[round] ?? NaN));
    const against = peers.get(peer) ?? peer;
    return [summarise({ name: `${named}_vs_${peer}`, unit: '×', rounds }, { against })];
  };
  return [
    ...ratio('first_copy', 'rsync', 'first_copy_d1'),
    ...ratio('first_copy', 'restic', 'first_copy_d1'),
    ...ratio('one_percent', 'rsync', 'one_percent_d1'),
    ...ratio('pages_1000', 'rsync'),
    ...plain('no_change_ms', 'ms', 'no_change.afterimage.ms', { atMost: 200 }),
    ...plain('pages_1000_wire_bytes', 'B', 'pages_1000.afterimage.bytes', { atMost: 6 * MB }),
    ...plain('pages_1000_ms', 'ms', 'pages_1000.afterimage.ms'),
    ...plain('insert_100_wire_bytes', 'B', 'insert_100.afterimage.bytes', { atMost: 0.5 * MB }),
    ...plain('rename_500_wire_bytes', 'B', 'rename_500.afterimage.bytes', { atMost: 0.1 * MB }),
    ...plain('agent_rss_mib', 'MiB', 'all.agent.rss'),
    ...plain('replica_rss_mib', 'MiB', 'all.replica.rss'),
    ...['afterimage', 'rsync', 'restic'].flatMap((name) => [
      ...plain(`first_copy_${name}_ms`, 'ms', `first_copy.${name}.ms`),
      ...plain(`first_copy_${name}_wire_bytes`, 'B', `first_copy.${name}.bytes`),
    ]),
    ...['agent', 'replica', 'broker'].flatMap((name) =>
      plain(`first_copy_${name}_cpu_s`, 's', `first_copy.${name}.cpu`),
    ),
    ...['pages_1000', 'insert_100', 'rename_500'].flatMap((step) =>
      plain(`${step}_rsync_wire_bytes`, 'B', `${step}.rsync.bytes`),
    ),
  ];
}

function latencyFigures(commits: readonly (readonly number[])[]): Figure[] {
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
