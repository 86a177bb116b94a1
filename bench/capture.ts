/**
 * How little the agent does to learn what changed: what the kernel's reports cost, how long a scan of
 * a million files takes, how soon pages of a large file are in a point where their places are known,
 * and how soon a write to a large set is. See docs/guide/benchmarks.md for each figure.
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureBusyCommits } from './capture/busy-commits.js';
import { measureFeed } from './capture/feed.js';
import { run as measureRanges } from './capture/ranges.js';
import { measureWideSet, type WideSet } from './capture/scan.js';
import type { Figure } from './figure.js';
import type { RunOptions } from './run-options.js';
import { quantile, summarise } from './summary.js';

const SEED = 1;
/** At scale 1. */
const FILES = 1_000_000;
const FOLDER_FILES = 100;
const CHANGED = 10_000;
const WRITES = 2_000;
const WRITES_MIN = 200;
const PER_SECOND = 100;
/** What a set of a million small files takes in memory, with its copy. */
const MEMORY_BYTES = 16 * 2 ** 30;
const MEMORY = '/dev/shm';

export async function run(options: RunOptions): Promise<Figure[]> {
  const { scale } = options;
  const folder = mkdtempSync(join(roomFor(MEMORY_BYTES * scale), 'afterimage-bench-'));
  const clear = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.once('exit', clear);
  const say = (text: string): void => void process.stderr.write(text);
  try {
    const files = Math.max(1, Math.round((FILES * scale) / FOLDER_FILES)) * FOLDER_FILES;
    const changed = Math.max(1, Math.round(CHANGED * scale));
    const wide = { folder: join(folder, 'wide'), files, filesAFolder: FOLDER_FILES, changed, say };
    const figures: Figure[] = [];
    say('reports of the kernel\n');
    figures.push(...((await measureFeed({ ...options, folder })) ?? []));
    say('changed pages\n');
    figures.push(...(await measureRanges(options)));
    say('a large set\n');
    const then = (set: WideSet): Promise<Figure[]> => measureLatency(set, { scale, say });
    figures.push(...(await measureWideSet({ ...options, ...wide }, then)));
    return figures;
  } finally {
    process.removeListener('exit', clear);
    clear();
  }
}

async function measureLatency(
  set: WideSet,
  { scale, say }: { readonly scale: number; readonly say: (text: string) => void },
): Promise<Figure[]> {
  say('writes all the time\n');
  const writes = Math.max(WRITES_MIN, Math.round(WRITES * scale));
  const latenciesMs = await measureBusyCommits({
    ...set,
    writes,
    perSecond: PER_SECOND,
    seed: SEED,
  });
  const at = (share: number): number[] => [quantile(latenciesMs, share)];
  return [
    summarise({ name: 'commit_latency_1m_p50_ms', unit: 'ms', rounds: at(0.5) }, { atMost: 50 }),
    summarise({ name: 'commit_latency_1m_p99_ms', unit: 'ms', rounds: at(0.99) }, { atMost: 250 }),
  ];
}

/** Memory where there is enough of it, so that no disk is measured; else the usual folder. */
function roomFor(bytes: number): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= bytes ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}
