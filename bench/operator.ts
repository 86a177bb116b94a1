/**
 * How soon the API answers an operator who looks at a very large set: overview, timeline, folders, search,
 * a download's first byte; what viewers cost a sync; and a mounted point. See docs/guide/benchmarks.md.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figure } from './figure.js';
import { buildSet } from './operator/build-set.js';
import { noTimes, askQuestions, type QuestionTimes } from './operator/questions.js';
import { measureMount, type MountTimes } from './operator/mount.js';
import { ServedSets } from './operator/served-sets.js';
import { measureViewers } from './operator/viewers.js';
import type { RunOptions } from './run-options.js';
import { summarise } from './summary.js';

const FILES = 1_000_000;
const POINTS = 10_000;
const LONG_POINTS = 100_000;
const CONTENT_BYTES = 256 * 1024 * 1024;

/** Throws `mismatch` when an answer was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const { given = {} } = options;
  const only = given['only'];
  const say = (text: string): void => void process.stderr.write(text);
  const figures: Figure[] = [];
  if (only !== 'viewers') figures.push(...(await onBuilt(options, { only, say })));
  if (only === undefined || only === 'viewers') figures.push(...(await viewers(options, say)));
  return figures;
}

interface Asking {
  readonly only: string | undefined;
  readonly say: (text: string) => void;
}

async function onBuilt(options: RunOptions, { only, say }: Asking): Promise<Figure[]> {
  const { scale, rounds, given = {} } = options;
  const seed = Number(given['seed'] ?? 1);
  const wide = {
    files: Math.round(Number(given['files'] ?? FILES * scale)),
    points: Math.round(Number(given['points'] ?? POINTS * scale)),
  };
  const long = { files: 1000, points: Math.round(LONG_POINTS * scale) };
  const home = mkdtempSync(join(tmpdir(), 'afterimage-operator-'));
  const token = randomBytes(32).toString('base64url');
  const times = noTimes();
  const mounted: MountTimes = { mount: [], read: [], find: [] };
  try {
    const startMs = performance.now();
    const contentBytes = Math.round(CONTENT_BYTES * Math.min(1, scale * 4));
    buildSet({ ...wide, folder: join(home, 'wide'), seed, contentBytes });
    if (only !== 'mount') buildSet({ ...long, folder: join(home, 'long'), seed, contentBytes: 0 });
    say(`${wide.files} files, ${wide.points} points: made in ${seconds(startMs)} s\n`);
    const sets = {
      wide: join(home, 'wide'),
      ...(only === 'mount' ? {} : { long: join(home, 'long') }),
    };
    const served = await ServedSets.start({ token, sets, folder: home });
    try {
      for (let round = 0; round < rounds; round += 1) {
        const at = { url: served.url, token };
        if (only !== 'mount') await askQuestions(at, { wide, long, seed: seed + round }, times);
        if (only !== 'questions') await measureMount({ ...at, ...wide, home, say }, mounted);
      }
    } finally {
      await served.stop();
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  return [...questionFigures(times), ...mountFigures(mounted)];
}

function seconds(startMs: number): string {
  return ((performance.now() - startMs) / 1000).toFixed(0);
}

function questionFigures(times: QuestionTimes): Figure[] {
  const ms = (name: string, rounds: readonly number[], atMost?: number): Figure[] =>
    rounds.length === 0
      ? []
      : [summarise({ name, unit: 'ms', rounds }, atMost === undefined ? {} : { atMost })];
  return [
    ...ms('overview_ms', times.overview, 200),
    ...ms('timeline_ms', times.timeline, 200),
    ...ms('timeline_100k_ms', times.timelineLong, 200),
    ...ms('list_folder_ms', times.list, 50),
    ...ms('search_p95_ms', times.search, 100),
    ...ms('first_byte_ms', times.firstByte, 50),
    ...ms('versions_ms', times.versions),
    ...ms('simulate_100k_ms', times.simulate, 500),
  ];
}

function mountFigures({ mount, read, find }: MountTimes): Figure[] {
  if (mount.length === 0) return [];
  return [
    summarise({ name: 'mount_ms', unit: 'ms', rounds: mount }, { atMost: 1000 }),
    summarise({ name: 'mount_read_mb_s', unit: 'MB/s', rounds: read }, { atLeast: 500 }),
    summarise({ name: 'mount_find_100k_ms', unit: 'ms', rounds: find }, { atMost: 5000 }),
  ];
}

async function viewers(options: RunOptions, say: (text: string) => void): Promise<Figure[]> {
  const ratios: number[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    ratios.push(await measureViewers({ scale: options.scale, seed: round + 1, say }));
  }
  const measured = { name: 'viewers_200_sync_slowdown_ratio', unit: '×', rounds: ratios };
  return [summarise(measured, { atMost: 1.1, against: 'the same syncs without viewers' })];
}
