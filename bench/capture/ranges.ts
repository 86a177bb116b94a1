/**
 * A database writes 1,000 pages at places without order into a file of 4 GiB: how long until they
 * are in a point, and what was sent. On XFS by clones and extents, on ext4 by whatever follows writes
 * there, and on tmpfs, where nothing does and the file is hashed whole.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import type { Figure } from '../figure.js';
import { Product } from '../harness.js';
import type { RunOptions } from '../run-options.js';
import { summarise, type Promised } from '../summary.js';
import { PAGE_BYTES } from '../trees/mixed-tree.js';
import { Random, seedOf } from '../trees/random.js';
import { digestTree } from '../trees/tree-digest.js';
import { type Ground, onGround } from './ground.js';

const SEED = 7;
/** At scale 1. */
const FILE_BYTES = 4 * 1024 * 1024 * 1024;
const CHUNK_BYTES = 8 * 1024 * 1024;
const PAGES = 1_000;
const MB = 1e6;
/** Room for what a round writes anew while the old blocks are still kept. */
const SPARE_BYTES = 2 * 1024 * 1024 * 1024;

export interface RangeCommits {
  /** From asking for a sync to its point, one a round. */
  readonly ms: readonly number[];
  readonly sentBytes: readonly number[];
}

export interface RangeOptions extends RunOptions {
  readonly say: (text: string) => void;
}

/** Needs root for file systems of its own. Throws `mismatch` when the copy was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const say = (text: string): void => void process.stderr.write(text);
  const xfs = await measureRangeCommits('xfs', { ...options, say });
  const ext4 = await measureRangeCommits('ext4', { ...options, say });
  const whole = await measureRangeCommits('tmpfs', { ...options, say });
  return [
    ...figure('range_xfs_commit_ms', 'ms', xfs?.ms, { atMost: 500 }),
    ...figure('range_wire_bytes', 'B', xfs?.sentBytes, { atMost: 5 * MB }),
    ...figure('range_ext4_commit_ms', 'ms', ext4?.ms, { atMost: 500 }),
    ...figure('range_whole_commit_ms', 'ms', whole?.ms, { atMost: 3_000 }),
  ];
}

function figure(
  name: string,
  unit: string,
  rounds: readonly number[] | undefined,
  promised: Promised,
): Figure[] {
  return rounds === undefined ? [] : [summarise({ name, unit, rounds }, promised)];
}

/** Undefined, with a line that says why, where such a file system cannot be mounted. */
export async function measureRangeCommits(
  ground: Ground,
  { rounds, scale, say }: RangeOptions,
): Promise<RangeCommits | undefined> {
  if (process.getuid?.() !== 0) {
    say(`${ground}: mounting needs root; left out\n`);
    return undefined;
  }
  const bytes = Math.max(64, Math.round((FILE_BYTES * scale) / CHUNK_BYTES)) * CHUNK_BYTES;
  const room = { folder: tmpdir(), bytes: bytes + SPARE_BYTES };
  return await onGround(ground, room, async ({ home, mount }) => {
    const file = join(mount, 'tree', 'database');
    mkdirSync(join(mount, 'tree'));
    say(`${ground}: writing ${(bytes / MB).toFixed(0)} MB\n`);
    writeFile(file, bytes);
    return await measure({ ground, home, file, root: join(mount, 'tree'), rounds, say, bytes });
  });
}

interface Measured {
  readonly ground: Ground;
  readonly home: string;
  readonly root: string;
  readonly file: string;
  readonly bytes: number;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

async function measure({
  ground,
  home,
  root,
  file,
  bytes,
  rounds,
  say,
}: Measured): Promise<RangeCommits> {
  const folder = join(home, 'afterimage');
  const product = await Product.start({ root, folder, schedule: 'asked' });
  const ms: number[] = [];
  const sentBytes: number[] = [];
  try {
    await product.copy();
    // The first round makes what later ones build on.
    for (let round = 0; round <= rounds; round += 1) {
      execFileSync('sync');
      writePages(file, { bytes, seed: seedOf(SEED, round) });
      const run = await product.copy();
      say(`${ground} round ${round}: ${run.ms.toFixed(0)} ms, ${run.sentBytes ?? '?'} B\n`);
      if (round === 0) continue;
      ms.push(run.ms);
      if (run.sentBytes !== undefined) sentBytes.push(run.sentBytes);
    }
  } finally {
    await product.stop();
  }
  // The agent's own folder is no part of the copy.
  rmSync(join(root, '.afterimage'), { recursive: true, force: true });
  if ((await product.digest()) !== digestTree(root, { metadata: 'without' })) {
    throw new AfterimageError('mismatch', `the copy of the file on ${ground} is wrong`);
  }
  return { ms, sentBytes };
}

/** Content that neither compresses nor repeats. */
function writeFile(path: string, bytes: number): void {
  const random = new Random(seedOf(SEED, 'content'));
  const chunk = random.bytes(CHUNK_BYTES);
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes; at += CHUNK_BYTES) {
      for (let page = 0; page < CHUNK_BYTES; page += PAGE_BYTES)
        chunk.writeDoubleLE(at + page, page);
      writeSync(file, chunk);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writePages(
  path: string,
  { bytes, seed }: { readonly bytes: number; readonly seed: number },
): void {
  const random = new Random(seed);
  const file = openSync(path, 'r+');
  try {
    for (const page of random.choose(PAGES, bytes / PAGE_BYTES)) {
      writeSync(file, random.bytes(PAGE_BYTES), 0, PAGE_BYTES, page * PAGE_BYTES);
    }
  } finally {
    closeSync(file);
  }
}
