/**
 * Plays the stories: in each round every copier begins from nothing, all take turns at every step, a
 * different one goes first each time, and what each made is compared with the tree.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import type { Copier } from '../copier.js';
import { PAGE_BYTES } from '../trees/mixed-tree.js';
import { changedPages } from '../trees/mutations.js';
import { seedOf } from '../trees/random.js';
import { digestTree } from '../trees/tree-digest.js';
import { type Grounds, trim } from './grounds.js';
import { type Cost, measureCost } from './meter.js';
import type { Network } from './network.js';
import { startCopiers } from './start-copiers.js';
import { pagesAt, type Step, type Story, type Subject } from './stories.js';
import { doWork, type Stage } from './work.js';

const OLD_PAGES = 16;

/** What one step cost one copier in one round. */
export interface Sample extends Cost {
  readonly story: string;
  readonly step: string;
  readonly copier: string;
  readonly round: number;
  /** What its store takes more than before on the disk. */
  readonly storedBytes: number;
}

export interface PlayOptions {
  readonly stories: readonly Story[];
  readonly rounds: number;
  readonly scale: number;
  readonly seed: number;
  readonly grounds: Grounds;
  readonly network: Network;
  /** Only these; everybody who is installed when absent. */
  readonly copiers: ReadonlySet<string> | undefined;
  readonly say: (text: string) => void;
}

export interface Played {
  readonly samples: readonly Sample[];
  /** Who took part, by name, in order. */
  readonly copiers: ReadonlyMap<string, string>;
}

/** Throws `mismatch` when something came out wrong. */
export async function play(options: PlayOptions): Promise<Played> {
  const samples: Sample[] = [];
  const copiers = new Map<string, string>();
  for (const story of options.stories) {
    const folder = join(options.grounds.source, story.name);
    options.say(`${story.name}: writing the tree\n`);
    const subject = story.write({ folder, scale: options.scale, seed: options.seed });
    for (let round = 1; round <= options.rounds; round += 1) {
      await playRound(options, { story, subject, round, samples, copiers });
    }
    rmSync(folder, { recursive: true });
  }
  return { samples, copiers };
}

interface Round {
  readonly story: Story;
  readonly subject: Subject;
  readonly round: number;
  readonly samples: Sample[];
  readonly copiers: Map<string, string>;
}

async function playRound(options: PlayOptions, round: Round): Promise<void> {
  const { story, subject } = round;
  const name = `${story.name}-${round.round}`;
  const places = {
    folder: join(options.grounds.copies, name),
    sourceFolder: join(options.grounds.source, `agents-${name}`),
  };
  for (const place of Object.values(places)) mkdirSync(place);
  const started = await startCopiers({ ...options, ...places, root: subject.folder, story });
  try {
    for (const copier of started) round.copiers.set(copier.name, copier.about);
    await playSteps(options, { ...round, started, folder: places.folder });
  } finally {
    for (const copier of started) await copier.stop();
    for (const place of Object.values(places)) {
      rmSync(place, { recursive: true, force: true, maxRetries: 10 });
    }
    trim(options.grounds);
  }
}

async function playSteps(
  options: PlayOptions,
  round: Round & { readonly started: readonly Copier[]; readonly folder: string },
): Promise<void> {
  const { story, subject, started } = round;
  const { scale, say } = options;
  const seed = seedOf(options.seed, 'round', round.round);
  const stage: Stage = {
    subject,
    seed,
    folder: round.folder,
    old: oldPages(subject, { scale, seed }),
    restored: new Map(),
  };
  for (const [turn, step] of story.steps.entries()) {
    step.change?.({ subject, seed, scale });
    const wanted = digestTree(subject.folder, { metadata: 'without' });
    for (const copier of rotated(started, round.round + turn)) {
      const measured = await measureStep(step, { copier, stage, wanted, network: options.network });
      if (measured === undefined) continue;
      const named = { story: story.name, step: step.name, copier: copier.name };
      round.samples.push({ ...named, round: round.round, ...measured });
      say(describe({ ...named, round: round.round, ...measured }));
    }
  }
}

function describe({ story, step, copier, round, ...cost }: Sample): string {
  const parts = Object.entries(cost.cpuSOf).map(([name, used]) => `${name} ${used.toFixed(2)}`);
  const wire = cost.wireBytes === undefined ? '' : `, ${(cost.wireBytes / 1e6).toFixed(2)} MB sent`;
  return (
    `${story} round ${round} ${step} ${copier}: ${cost.ms.toFixed(0)} ms, ` +
    `CPU ${cost.cpuS.toFixed(2)} s (${parts.join(', ')}), ${cost.rssMib.toFixed(0)} MiB${wire}\n`
  );
}

/** Undefined when the copier cannot do it. Throws `mismatch` when it did it wrong. */
async function measureStep(
  { name, work: asked, repeats = 1 }: Step,
  at: {
    readonly copier: Copier;
    readonly stage: Stage;
    readonly wanted: string;
    readonly network: Network;
  },
): Promise<(Cost & { readonly storedBytes: number }) | undefined> {
  const { copier, network } = at;
  const before = storeOf(copier);
  const costs: Cost[] = [];
  for (let time = 0; time < repeats; time += 1) {
    const work = doWork(asked, { ...at, time });
    if (work === undefined) return undefined;
    work.prepare?.();
    const processes = (): ReadonlyMap<string, number> => copier.processes();
    const cost = await measureCost(work.run, { processes, network });
    const told = asked === 'copy' ? await copier.toldBytes?.() : undefined;
    costs.push(cost.wireBytes === undefined ? { ...cost, wireBytes: told } : cost);
    if (!(await work.isRight())) throw new AfterimageError('mismatch', `${copier.name} at ${name}`);
  }
  const cost = medianOf(costs);
  if (cost === undefined) return undefined;
  const after = storeOf(copier);
  const grown = (after.fileBytes - before.fileBytes) / repeats;
  const storedBytes = after.diskBytes - before.diskBytes;
  return { ...cost, storedBytes, ...(copier.local === true ? { wireBytes: grown } : {}) };
}

/** Who begins changes from step to step and from round to round. */
function rotated<T>(items: readonly T[], turn: number): readonly T[] {
  const first = turn % Math.max(1, items.length);
  return [...items.slice(first), ...items.slice(0, first)];
}

/** The run whose time is in the middle. */
function medianOf(costs: readonly Cost[]): Cost | undefined {
  return [...costs].sort((a, b) => a.ms - b.ms)[Math.floor(costs.length / 2)];
}

function storeOf({ storeFolder }: Copier): {
  readonly diskBytes: number;
  readonly fileBytes: number;
} {
  execFileSync('sync');
  const sum = (...how: string[]): number => {
    const args = [...how, '--summarize', '--block-size=1', storeFolder];
    return Number.parseInt(execFileSync('du', args, { encoding: 'utf8' }), 10);
  };
  return { diskBytes: sum(), fileBytes: sum('--apparent-size') };
}

/** Some of the pages that will be written, as they are before. */
function oldPages(
  subject: Subject,
  { scale, seed }: { readonly scale: number; readonly seed: number },
): Stage['old'] {
  const { paged, folder } = subject;
  if (paged === undefined) return [];
  const content = changedPages({ paged }, pagesAt(scale), seed).slice(0, OLD_PAGES);
  const file = openSync(paged, 'r');
  try {
    return content.map((page) => {
      const before = Buffer.alloc(PAGE_BYTES);
      readSync(file, before, 0, PAGE_BYTES, page * PAGE_BYTES);
      return { path: relative(folder, paged), offset: page * PAGE_BYTES, content: before };
    });
  } finally {
    closeSync(file);
  }
}
