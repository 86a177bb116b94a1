/** A run of the model as a list of plain steps: made from a seed, printed, read back, cut down. */
import { Seeded } from '../support/seeded.js';
import { type Kept, keeps } from './disk/journal.js';
import type { StrikePoint } from './disk/steps.js';
import { type Operation, RandomOperations } from './operation.js';
import { Tree } from './tree.js';

/** The process is killed, the power is cut (see `Kept`), or the disk is full once. */
export type Trouble = StrikePoint &
  (
    | { readonly how: 'kill' }
    | { readonly how: 'full' }
    | { readonly how: 'power'; readonly kept: Kept; readonly salt: number }
  );

export interface SyncStep {
  readonly do: 'sync';
  /** Decides in which records the change is said. */
  readonly salt: number;
  readonly frameBytes: number;
  /** The first strikes the sync, each later one the recovery from the one before it. */
  readonly troubles: readonly Trouble[];
  /** What the agent does when the sync was cut off before it was whole. */
  readonly then: 'same' | 'other';
}

/** Points go, the newest excepted; `keep` decides which: a point stays if its number modulo 3 is among them. */
export interface PruneStep {
  readonly do: 'prune';
  readonly keep: readonly number[];
  readonly troubles: readonly Trouble[];
}

export type Step =
  | Operation
  /** What was done so far is read and sent; the application goes on. */
  | { readonly do: 'round' }
  | SyncStep
  | PruneStep
  | { readonly do: 'reopen' };

export type Script = readonly Step[];

const SYNCS = 7;

/** The script of a seed. */
export function randomScript(seed: number): Step[] {
  const random = new Seeded(seed);
  const tree = new Tree();
  const operations = new RandomOperations(random, tree);
  const steps: Step[] = [];
  const many = random.chance(0.15);
  for (let sync = 0; sync < SYNCS; sync += 1) {
    for (let count = random.below(many ? 40 : 14) + (sync === 0 ? 6 : 0); count > 0; count -= 1) {
      const operation = operations.next();
      tree.apply(operation);
      steps.push(operation);
      if (random.chance(0.04)) steps.push({ do: 'round' });
    }
    steps.push(randomSync(random));
    if (random.chance(0.15)) steps.push({ do: 'reopen' });
    if (random.chance(0.15)) steps.push(randomPrune(random));
  }
  return steps;
}

function randomSync(random: Seeded): SyncStep {
  const troubles: Trouble[] = [];
  if (random.chance(0.75)) troubles.push(randomTrouble(random, random.pick([60, 120, 200])));
  while (troubles.length > 0 && random.chance(0.3)) troubles.push(randomTrouble(random, 60));
  return {
    do: 'sync',
    salt: random.below(1_000_000),
    frameBytes: random.pick([500, 5000, 50_000, 200_000]),
    troubles,
    then: random.chance(0.6) ? 'same' : 'other',
  };
}

function randomPrune(random: Seeded): PruneStep {
  const keep = [0, 1, 2].filter(() => random.chance(0.5));
  const troubles = random.chance(0.6) ? [randomTrouble(random, 20)] : [];
  return { do: 'prune', keep, troubles };
}

function randomTrouble(random: Seeded, steps: number): Trouble {
  const step = 1 + random.below(steps);
  const roll = random.below(10);
  if (roll < 3) return { how: 'kill', step };
  if (roll < 5) return random.chance(0.4) ? { how: 'full', step } : fullWhileApplying(random);
  return { how: 'power', step, kept: random.pick(keeps), salt: random.below(1000) };
}

/** Steps of apply that need room: readers are served while one of them waits. */
const applySteps = [
  'rename base to park',
  'rename new to base',
  'rename park to base',
  'link base',
  'mkdir base',
  'size base',
  'write base',
  'rename park to attic',
];

function fullWhileApplying(random: Seeded): Trouble {
  return { how: 'full', name: random.pick(applySteps), nth: 1 + random.below(4) };
}

/** One step a line, so that it can be read, pasted and given back. */
export function printScript(script: Script): string {
  return script.map((step) => JSON.stringify(step)).join('\n');
}

export function parseScript(text: string): Script {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Step);
}
