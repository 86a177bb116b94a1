/**
 * The clock on the wall jumps under agent or replica, forward or back, by seconds or days, and disks
 * get slow, while they sync: no change is missed, every point stands, and the next sync is good
 * (promises 1 to 5; R16: a file stays dirty within the clock's tick; R20).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, Outcome } from '../campaign.js';
import { compilerMissing } from '../native-program.js';
import { DiskShim } from '../shim/disk-shim.js';
import { activities } from '../support/activities.js';
import { Life } from '../support/life.js';
import { Abandoned, amount, Tries } from '../support/tries.js';

const TRIES = 40;
const TROUBLES_A_LIFE = 12;
const SLOW_MS_MAX = 40;
const BEFORE_MS_MAX = 250;
const HOUR_MS = 3_600_000;
const jumpsMs = [10, 1000, 30_000, HOUR_MS, 36 * HOUR_MS];
const OPERATIONS = 6;

type Side = 'agent' | 'replica';

const kinds: readonly {
  readonly kind: string;
  readonly sides: readonly Side[];
  readonly slow?: true;
}[] = [
  { kind: 'clock of the agent jumps during syncs', sides: ['agent'] },
  { kind: 'clock of the replica jumps during syncs', sides: ['replica'] },
  { kind: 'both clocks jump during syncs, each its own way', sides: ['agent', 'replica'] },
  { kind: 'slow disk under the agent', sides: ['agent'], slow: true },
  { kind: 'slow disk under the replica', sides: ['replica'], slow: true },
];

export const campaign: Campaign = {
  name: 'clocks',
  async run(options): Promise<readonly Outcome[]> {
    const tries = new Tries(
      options,
      kinds.map(({ kind }) => kind),
    );
    const missing = compilerMissing();
    if (missing !== undefined) {
      for (const { kind } of kinds) tries.skip(kind, missing);
      return tries.outcomes;
    }
    const queue = Array.from({ length: amount(TRIES, options.budget) }, () => kinds).flat();
    for (let number = 0; queue.length > 0; number += 1) {
      const lived = queue.splice(0, TROUBLES_A_LIFE);
      try {
        await live(lived, { tries, seed: options.seed * 1013 + number });
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
        options.log(`life ${number} is given up`);
      }
    }
    return tries.outcomes;
  },
};

async function live(
  troubles: readonly (typeof kinds)[number][],
  { tries, seed }: { readonly tries: Tries; readonly seed: number },
): Promise<void> {
  const shims = new Map<Side, DiskShim>();
  const life = await Life.start({
    seed,
    storage: 'memory',
    env: (role, folder) => {
      const shim = shims.get(role) ?? new DiskShim(folder);
      shims.set(role, shim);
      return shim.env;
    },
  });
  try {
    life.shrink();
    await life.product.startAgent();
    await life.witness.judge('the first copy', { still: true, read: 'none' });
    for (const trouble of troubles) {
      await tries.make({ kind: trouble.kind, product: life.product }, () =>
        makeTrouble(life, trouble, shims),
      );
    }
  } finally {
    await life.close();
    for (const shim of shims.values()) shim.close();
  }
}

/** A clock stays as far off as it jumped; the next jump is from there. */
async function makeTrouble(
  life: Life,
  { kind, sides, slow }: (typeof kinds)[number],
  shims: ReadonlyMap<Side, DiskShim>,
): Promise<string> {
  const { random, witness } = life;
  const activity = random.pick(activities.filter(({ name }) => name.endsWith('syncs')));
  await activity.prepare(life);
  void activity.begin(life);
  await delay(random.below(BEFORE_MS_MAX));
  const said = sides.map((side) => {
    const shim = shims.get(side);
    if (shim === undefined) throw new Error(`the ${side} has no shim`);
    return `${side} ${slow === true ? slowDown(shim, random) : jump(shim, random)}`;
  });
  const what = `${activity.name}, ${said.join(', ')}`;
  // Changes right after a jump have times that seem old, or to come.
  life.change(OPERATIONS);
  await witness.judge(`${kind}: ${what}`, { still: false, read: 'some' });
  life.change(OPERATIONS);
  await witness.judge(`${kind}: ${what}, and another sync`, { still: true, read: 'some' });
  if (slow === true) for (const shim of shims.values()) shim.slowDown([], 0);
  return what;
}

function jump(shim: DiskShim, random: Seeded): string {
  const ms = random.pick(jumpsMs) * (random.chance(0.5) ? 1 : -1);
  shim.shiftClock(ms);
  return `${ms / 1000} s off`;
}

function slowDown(shim: DiskShim, random: Seeded): string {
  const ms = 1 + random.below(SLOW_MS_MAX);
  shim.slowDown(['write', 'fsync', 'fdatasync', 'syncfs', 'rename', 'create'], ms);
  return `${ms} ms slower a call`;
}
