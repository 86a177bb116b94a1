/**
 * A million files: how long a scan that finds nothing takes, of the native part alone and of a whole
 * sync, and what memory the agent needs at its start, for a sync without changes and for one with
 * many. See docs/design/capture.md.
 */
import { closeSync, mkdirSync, openSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import type { Figure } from '../figure.js';
import { Product } from '../harness.js';
import { summarise } from '../summary.js';

const FOLDERS_A_FOLDER = 100;
const WARM_MS_MAX = 1_000;
const RSS_MIB_MAX = 150;
const SCAN = { threads: 2, bytesMax: 8 * 1024 * 1024, skip: [] } as const;
const DEEPEST = 0xffff_fffe;

export interface WideTreeOptions {
  readonly folder: string;
  /** In all; a whole number of folders of `filesAFolder`. */
  readonly files: number;
  readonly filesAFolder: number;
}

/** Folders of small files, a hundred of them in a folder of folders. Returns the files' paths in order. */
export function writeWideTree(options: WideTreeOptions): (n: number) => string {
  const { folder, files, filesAFolder } = options;
  const folderOf = (n: number): string => {
    const at = Math.floor(n / filesAFolder);
    return join(folder, `part-${Math.floor(at / FOLDERS_A_FOLDER)}`, `folder-${at}`);
  };
  const pathOf = (n: number): string => join(folderOf(n), `file-${n}`);
  for (let n = 0; n < files; n += 1) {
    if (n % filesAFolder === 0) mkdirSync(folderOf(n), { recursive: true });
    writeFileSync(pathOf(n), `${n}\n`);
  }
  return pathOf;
}

/** ms of each of `rounds` scans of a tree that is in memory, by the native part alone. */
export function scanWarm(tree: string, rounds: number): number[] {
  const posix = loadPosix();
  const fd = openSync(tree, 'r');
  try {
    const scanOnce = (): number => {
      const startMs = performance.now();
      const scan = posix.scanTree({ ...SCAN, rootFd: fd });
      if (scan === undefined) throw new AfterimageError('internal', 'there is no native part');
      try {
        while (scan.next(DEEPEST) !== undefined);
      } finally {
        scan.close();
      }
      return performance.now() - startMs;
    };
    scanOnce();
    return Array.from({ length: rounds }, scanOnce);
  } finally {
    closeSync(fd);
  }
}

export interface WideSetOptions extends WideTreeOptions {
  readonly rounds: number;
  /** Files that a sync finds changed. */
  readonly changed: number;
  readonly say: (text: string) => void;
}

/** A set of many files, whose first copy is over, once nothing of it was measured any more. */
export interface WideSet {
  readonly product: Product;
  readonly files: number;
  readonly pathOf: (n: number) => string;
}

/**
 * `then` measures more of the same set. Throws when a sync fails. Needs some 16 GB for a million
 * files.
 */
export async function measureWideSet(
  options: WideSetOptions,
  then: (set: WideSet) => Promise<readonly Figure[]>,
): Promise<Figure[]> {
  const { folder, rounds, files, changed, say } = options;
  const tree = join(folder, 'tree');
  say(`writing ${files} files\n`);
  const pathOf = writeWideTree({ ...options, folder: tree });
  const scans = scanWarm(tree, rounds);
  say(`scans: ${scans.map((ms) => ms.toFixed(0)).join(', ')} ms\nfirst copy\n`);
  const product = await Product.start({ folder, root: tree, schedule: 'asked' });
  try {
    await product.copy();
    const syncs: number[] = [];
    const peaks = { start: [], reconcile: [], quiet: [], changed: [] } as Peaks;
    for (let round = 0; round < rounds; round += 1) {
      await product.stopAgent();
      await product.startAgent();
      await measureRound({ product, pathOf, files, changed, round, peaks, syncs });
      say(`round ${round + 1}: ${JSON.stringify(lastOf(peaks))} MiB, ${syncs.at(-1) ?? NaN} ms\n`);
    }
    const more = await then({ product, files, pathOf });
    return [...figuresOf({ scans, syncs, peaks }), ...more];
  } finally {
    await product.stop();
  }
}

type Peaks = Record<'start' | 'reconcile' | 'quiet' | 'changed', number[]>;

async function measureRound(on: {
  readonly product: Product;
  readonly pathOf: (n: number) => string;
  readonly files: number;
  readonly changed: number;
  readonly round: number;
  readonly peaks: Peaks;
  readonly syncs: number[];
}): Promise<void> {
  const { product, pathOf, files, changed, round, peaks, syncs } = on;
  const { agentPid } = product;
  peaks.start.push(rssMib(agentPid, 'VmHWM'));
  // The agent's own first sync comes before ours.
  await product.copy();
  peaks.reconcile.push(rssMib(agentPid, 'VmHWM'));
  forgetPeak(agentPid);
  syncs.push((await product.copy()).ms);
  peaks.quiet.push(rssMib(agentPid, 'VmHWM'));
  const step = Math.max(1, Math.floor(files / changed));
  for (let n = round % step; n < files; n += step) writeFileSync(pathOf(n), `${n} ${round}\n`);
  utimesSync(pathOf(0), 1, 1);
  forgetPeak(agentPid);
  await product.copy();
  peaks.changed.push(rssMib(agentPid, 'VmHWM'));
}

function figuresOf(measured: {
  readonly scans: readonly number[];
  readonly syncs: readonly number[];
  readonly peaks: Peaks;
}): Figure[] {
  const { scans, syncs, peaks } = measured;
  const memory = (name: string, rounds: readonly number[]): Figure =>
    summarise({ name, unit: 'MiB', rounds }, { atMost: RSS_MIB_MAX });
  const all = [...peaks.start, ...peaks.reconcile, ...peaks.quiet, ...peaks.changed];
  return [
    summarise({ name: 'scan_1m_warm_ms', unit: 'ms', rounds: scans }, { atMost: WARM_MS_MAX }),
    summarise({ name: 'no_change_1m_ms', unit: 'ms', rounds: syncs }),
    memory('agent_rss_1m_mib', [Math.max(...all)]),
    memory('agent_rss_1m_start_mib', peaks.start),
    memory('agent_rss_1m_reconcile_mib', peaks.reconcile),
    memory('agent_rss_1m_quiet_mib', peaks.quiet),
    memory('agent_rss_1m_changed_mib', peaks.changed),
  ];
}

function lastOf(peaks: Peaks): Record<string, number | undefined> {
  return Object.fromEntries(
    Object.entries(peaks).map(([name, values]) => [name, Math.round(values.at(-1) ?? NaN)]),
  );
}

function rssMib(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN) / 1024;
}

/** The highest resident size is counted anew from here on. */
function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
