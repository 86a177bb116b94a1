/** Where the time of one sync goes, stage by stage; and what a tunable changes. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatTable } from '../cli/table.js';
import { AfterimageError } from '../shared/errors.js';
import type { Figure } from './figure.js';
import { hasDirectLane } from './peers/afterimage.js';
import { onGrounds } from './peers/grounds.js';
import { openNetwork } from './peers/network.js';
import { chooseStories } from './peers/options.js';
import { drawFlames } from './profile/flame.js';
import { profileOnce, type OneRunOptions, type Profiled } from './profile/one-run.js';
import { tunables } from './profile/option-list.js';
import { formatStages } from './profile/stage-table.js';
import type { RunOptions } from './run-options.js';
import { summarise } from './summary.js';

const SPARE_BYTES = 4 * 1024 ** 3;
const TIMES = 2;

type Ask = Omit<OneRunOptions, 'agent' | 'lane' | 'cpuProfiles'>;

/** Throws `mismatch` when a copy was wrong. */
export async function run(options: RunOptions): Promise<Figure[]> {
  const { flame } = options.given ?? {};
  const runs: Profiled[] = [];
  await onSet(options, async (ask) => {
    for (let round = 1; round <= options.rounds; round += 1) {
      const cpuProfiles = flame === undefined ? undefined : join(flame, `round-${round}`);
      if (cpuProfiles !== undefined) mkdirSync(cpuProfiles, { recursive: true });
      const lane = laneOf(options.given?.['lane']);
      const profiled = await profileOnce({ ...ask, lane, agent: {}, cpuProfiles });
      runs.push(profiled);
      options.tell?.(`${formatStages(profiled)}\n`);
      if (cpuProfiles !== undefined) options.tell?.(`${drawFlames(cpuProfiles)}\n\n`);
    }
  });
  return figuresOf(runs);
}

/** Each word is a tunable with its values: window=1 MiB,4 MiB. Values take turns in each round. */
export async function runSweep(options: RunOptions): Promise<Figure[]> {
  const [word = '', ...more] = options.words ?? [];
  const [name = '', values = ''] = word.split('=');
  const key = tunables.get(name);
  if (key === undefined || values === '' || more.length > 0) {
    throw new AfterimageError(
      'argument-invalid',
      `give one of ${[...tunables.keys()].join(', ')} with values, such as window=1M,4M`,
    );
  }
  const runs = new Map<string, Profiled[]>(values.split(',').map((value) => [value, []]));
  await onSet(options, async (ask) => {
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const [value, done] of runs) {
        const agent = key === 'lane' ? {} : { [key]: tunableValue(value) };
        const lane = laneOf(key === 'lane' ? value : options.given?.['lane']);
        done.push(await profileOnce({ ...ask, lane, agent, cpuProfiles: undefined }));
        process.stderr.write(
          `round ${round} ${name}=${value}: ${done.at(-1)?.ms.toFixed(0) ?? '?'} ms\n`,
        );
      }
    }
  });
  options.tell?.(formatSweep(name, runs));
  return [...runs].flatMap(([value, done]) =>
    figuresOf(done).map((figure) => ({ ...figure, name: `${name}_${value}_${figure.name}` })),
  );
}

async function onSet(options: RunOptions, work: (ask: Ask) => Promise<void>): Promise<void> {
  const { seed = '1', ground = 'ext4', sets = 'd1', step = 'first_copy' } = options.given ?? {};
  const [story] = chooseStories(sets);
  if (story === undefined) throw new AfterimageError('argument-invalid', 'name one set');
  const bytes = story.bytes * options.scale * TIMES + SPARE_BYTES;
  const say = (text: string): void => void process.stderr.write(text);
  const network = openNetwork();
  try {
    const room = { asked: ground, sourceBytes: bytes, copiesBytes: bytes, say };
    await onGrounds(room, async (grounds) => {
      say(`${grounds.about}; ${network.about}; writing the tree\n`);
      const folder = join(grounds.source, story.name);
      const { scale } = options;
      const subject = story.write({ folder, scale, seed: Number(seed) });
      await work({ story, subject, step, scale, seed: Number(seed), grounds, network });
    });
  } finally {
    network.close();
  }
}

function laneOf(asked: string | undefined): 'broker' | 'direct' {
  if (asked === undefined) return hasDirectLane() ? 'direct' : 'broker';
  if (asked === 'broker' || asked === 'direct') return asked;
  throw new AfterimageError('argument-invalid', `there is no lane ${asked}`);
}

/** `4M` is 4 MiB, whole numbers are numbers, all else is as it is said. */
function tunableValue(value: string): string | number {
  if (/^\d+[KMG]$/.test(value)) return `${value.slice(0, -1)} ${value.slice(-1)}iB`;
  return /^\d+$/.test(value) ? Number(value) : value;
}

function figuresOf(runs: readonly Profiled[]): Figure[] {
  const of = (name: string, unit: string, value: (run: Profiled) => number): Figure =>
    summarise({ name, unit, rounds: runs.map(value) });
  return [
    of('wall_ms', 'ms', ({ ms }) => ms),
    ...['agent', 'broker', 'replica'].map((side) =>
      of(`${side}_cpu_ms`, 'ms', ({ cpuSOf }) => (cpuSOf[side] ?? 0) * 1000),
    ),
    of('window_full_percent', '%', ({ agent, ms }) => ((agent['window']?.ms ?? 0) / ms) * 100),
  ];
}

function formatSweep(name: string, runs: ReadonlyMap<string, readonly Profiled[]>): string {
  const lines = [...runs].map(([value, done]) => ({ value, figures: figuresOf(done) }));
  type Line = (typeof lines)[number];
  const titles = lines[0]?.figures.map((figure) => figure.name) ?? [];
  return `${formatTable<Line>(
    [
      { title: name, value: ({ value }) => value },
      ...titles.map((title, index) => ({
        title,
        align: 'right' as const,
        value: ({ figures }: Line) => figures[index]?.value.toFixed(0) ?? '',
      })),
    ],
    lines,
  )}\n`;
}
