/** Cost follows the change, not the set: the same change in sets of growing size. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from './figure.js';
import { drawGrowth } from './growth/chart.js';
import { CHANGE, largeFile, manyFiles } from './growth/sizes.js';
import { hasDirectLane } from './peers/afterimage.js';
import { runStories } from './peers/run-stories.js';
import { type PeersRecord, roundsOf } from './peers/record.js';
import { BROKER, DIRECT } from './peers/start-copiers.js';
import { formatPeers } from './peers/table.js';
import type { RunOptions } from './run-options.js';
import { summarise } from './summary.js';

/** Scale makes them smaller. */
const FILES = '10000,100000,1000000';
const GIB = '1,10,50';
/** Product and rsync, and what they write anew. */
const COPIES_TIMES = 3;

/** Throws `mismatch` when a copy was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const { scale, given = {}, rounds } = options;
  const { files = FILES, gib = GIB, seed = '1', ground = 'ext4', save } = given;
  const sizes = (text: string): number[] => text.split(',').filter(Boolean).map(Number);
  const different = (values: readonly number[]): readonly number[] => [...new Set(values)];
  const counts = sizes(files).map((count) => Math.max(100, Math.round(count * scale)));
  const large = sizes(gib).map((count) => Math.max(0.25, count * scale));
  const own = hasDirectLane() ? DIRECT : BROKER;
  const record = await runStories({
    stories: [
      ...different(counts).map((count) => manyFiles(count)),
      ...different(large).map(largeFile),
    ],
    rounds,
    // Sizes are what they are said to be.
    scale: 1,
    seed: Number(seed),
    ground,
    copiers: new Set([own, 'rsync']),
    copiesTimes: COPIES_TIMES,
  });
  const folder = save ?? 'dist/bench-results';
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'growth.json'), `${JSON.stringify(record, undefined, 1)}\n`);
  for (const prefix of ['files', 'gib'] as const) {
    if (record.stories.some(({ name }) => name.startsWith(`${prefix}-`))) {
      writeFileSync(join(folder, `growth-${prefix}.svg`), drawGrowth(record, prefix));
    }
  }
  options.tell?.(`${formatPeers(record)}\n${join(folder, 'growth.json')}\n\n`);
  return [...growth(record, { own, prefix: 'files' }), ...growth(record, { own, prefix: 'gib' })];
}

/** The largest set's time over the smallest one's. */
function growth(
  record: PeersRecord,
  { own, prefix }: { readonly own: string; readonly prefix: 'files' | 'gib' },
): Figure[] {
  const names = record.stories.map(({ name }) => name).filter((name) => name.startsWith(prefix));
  const of = (story: string | undefined): readonly number[] =>
    roundsOf(record, { story: story ?? '', step: CHANGE, copier: own }, 'ms');
  const [first, last] = [of(names[0]), of(names.at(-1))];
  if (names.length < 2 || first.length === 0) return [];
  const rounds = last.map((ms, round) => ms / (first[round] ?? NaN));
  const against = `${names[0] ?? ''} to ${names.at(-1) ?? ''}`;
  return [summarise({ name: `change_growth_${prefix}`, unit: '×', rounds }, { against })];
}
