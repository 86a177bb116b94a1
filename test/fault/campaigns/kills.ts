/**
 * Agent, replica and broker are killed at random instants, alone and together, whatever they are
 * doing, or stand still for a while. After each time: the next sync succeeds, every point there ever
 * was reads back equal by content and metadata, nothing acknowledged is missing, a first copy went
 * on where it was, and no file is left that no row names (promises 1 to 3; R4, R12).
 *
 * A life is one installation: its first copy is cut off, then it goes through troubles until it has
 * had its share. One that broke is given up, and another begins.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { activities, type Activity } from '../support/activities.js';
import { cutFirstCopy } from '../support/first-copy.js';
import { Life, type Victims } from '../support/life.js';
import { Abandoned, amount, Tries } from '../support/tries.js';

const KILLS = {
  'first copy': 60,
  'small syncs': 170,
  'large syncs': 100,
  retention: 60,
  scrub: 50,
  restore: 60,
} as const;
const STOPS = 40;
const STOP_MS_MAX = 60_000;
/** The longest is for the full amount; a taste must be short. */
const STOP_MS_MIN = 700;
const TROUBLES_A_LIFE = 18;
const FIRST_COPY_KILLS_A_LIFE = 2;
/** A kill takes nothing out of a file system, so most lives go where flushes cost nothing. */
const DISK_EVERY = 3;
const WRITER = 0.25;
const READ_ALL_EVERY = 10;
const WINDOW_FACTOR = 1.2;
const WINDOW_MS = 40;

const victims: readonly Victims[] = [
  ['agent'],
  ['replica'],
  ['replica'],
  ['broker'],
  ['agent', 'replica'],
  ['agent', 'broker'],
  ['replica', 'broker'],
  ['agent', 'replica', 'broker'],
];

type Trouble = {
  readonly kind: string;
  readonly activity: Activity;
  readonly way: 'kill' | 'stop';
};

export const campaign: Campaign = {
  name: 'kills',
  run: (options) => new Kills(options).run(),
};

class Kills {
  readonly #options: CampaignOptions;
  readonly #random: Seeded;
  readonly #tries: Tries;
  readonly #who = new Map<string, number>();
  #firstCopies: number;
  #queue: Trouble[];

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#random = new Seeded(options.seed);
    this.#firstCopies = amount(KILLS['first copy'], options.budget);
    this.#queue = activities.flatMap((activity) => {
      const count = amount(KILLS[activity.name], options.budget);
      const kind = `kill -9 during ${activity.name}`;
      return Array.from({ length: count }, (): Trouble => ({ kind, activity, way: 'kill' }));
    });
    const kinds = this.#queue.map(({ kind }) => kind);
    this.#tries = new Tries(options, [firstCopyKind, ...kinds, stopKind, endKind]);
    const stopped = activities.filter(({ name }) => isSync(name));
    for (let n = 0; n < amount(STOPS, options.budget); n += 1) {
      this.#queue.push({ kind: stopKind, activity: this.#random.pick(stopped), way: 'stop' });
    }
    shuffle(this.#queue, this.#random);
  }

  async run(): Promise<readonly Outcome[]> {
    for (let number = 0; this.#firstCopies > 0 || this.#queue.length > 0; number += 1) {
      const seed = this.#options.seed * 1009 + number;
      const storage = number % DISK_EVERY === DISK_EVERY - 1 ? 'disk' : 'memory';
      const life = await Life.start({ seed, storage });
      try {
        await this.#live(life);
      } catch (error) {
        if (!(error instanceof Abandoned)) throw error;
        this.#options.log(`life ${number} is given up`);
      } finally {
        await life.close();
      }
    }
    const who = [...this.#who].map(([name, count]) => `${name} ${count}`).join(', ');
    this.#options.log(`killed: ${who}`);
    return this.#tries.outcomes;
  }

  async #live(life: Life): Promise<void> {
    await this.#firstCopy(life);
    const rehearsed = new Map<Activity, number>();
    for (let n = 1; n <= TROUBLES_A_LIFE; n += 1) {
      const trouble = this.#queue.pop();
      if (trouble === undefined) break;
      const missing = await trouble.activity.missing(life);
      if (missing !== undefined) {
        this.#tries.skip(trouble.kind, missing);
        continue;
      }
      const { activity, kind } = trouble;
      await this.#tries.make({ kind, product: life.product }, async () => {
        const ms = rehearsed.get(activity) ?? (await rehearse(life, activity));
        rehearsed.set(activity, ms);
        return this.#makeTrouble(life, trouble, { ms, all: n % READ_ALL_EVERY === 0 });
      });
    }
    await this.#tries.make({ kind: endKind, product: life.product }, async () => {
      await life.witness.judge('the end', { still: true, read: 'all' });
      await life.product.ok(['verify', 'app', '--data']);
      return `${life.witness.points.length} points`;
    });
  }

  async #firstCopy(life: Life): Promise<void> {
    const kills = Math.max(1, Math.min(FIRST_COPY_KILLS_A_LIFE, this.#firstCopies));
    this.#firstCopies -= kills;
    const who: Victims[] = Array.from({ length: kills }, () => this.#random.pick(victims));
    for (const chosen of who) this.#count(chosen);
    const copy = async (): Promise<string> => {
      const said = await cutFirstCopy(life, who);
      await life.witness.judge('the first copy', { still: true, read: 'none' });
      life.shrink();
      life.change(30);
      await life.witness.judge('the second sync', { still: true, read: 'all' });
      return `${who.map((one) => one.join(' and ')).join(', then ')}: ${said}`;
    };
    await this.#tries.make({ kind: firstCopyKind, product: life.product, tries: kills }, copy);
  }

  async #makeTrouble(
    life: Life,
    { activity, way, kind }: Trouble,
    { ms, all }: { readonly ms: number; readonly all: boolean },
  ): Promise<string> {
    const { random } = life;
    await activity.prepare(life);
    const chosen = random.pick(victims.filter((roles) => concerns(roles, activity)));
    const writes = activity.name === 'small syncs' && random.chance(WRITER);
    if (writes) life.write();
    const over = activity.begin(life).catch(() => undefined);
    const afterMs = random.below(ms * WINDOW_FACTOR + WINDOW_MS);
    await delay(afterMs);
    let what = `${chosen.join(' and ')} after ${afterMs} of ${Math.round(ms)} ms`;
    if (way === 'kill') {
      const killed = await life.kill(chosen);
      this.#count(killed);
      await life.bringBack(killed);
    } else {
      const stopMs = STOP_MS_MIN + random.below(STOP_MS_MAX * Math.min(1, this.#options.budget));
      what += `, for ${stopMs} ms`;
      await life.stop(chosen, stopMs);
      await life.product.until('the agent is back', () => life.product.connected());
    }
    await life.rest();
    const read = all ? 'all' : 'some';
    const more = await activity.judge?.(life);
    await life.witness.judge(`${kind}: ${what}`, { still: !writes, read, ...more });
    if (activity.finish !== undefined) {
      await over;
      await activity.finish(life);
    }
    return what;
  }

  #count(killed: Victims): void {
    const name = killed.join(' and ');
    this.#who.set(name, (this.#who.get(name) ?? 0) + 1);
  }
}

const firstCopyKind = 'kill -9 during the first copy';
const endKind = 'everything read back at the end of a life';
const stopKind = 'stopped for up to a minute during syncs';

/** How long the activity takes when nothing troubles it, ms. */
async function rehearse(life: Life, activity: Activity): Promise<number> {
  await activity.prepare(life);
  const startMs = performance.now();
  await activity.begin(life);
  const ms = performance.now() - startMs;
  await activity.finish?.(life);
  await life.witness.judge('a rehearsal', {
    still: true,
    read: 'none',
    ...(await activity.judge?.(life)),
  });
  return ms;
}

/** Syncs are everybody's business; the rest is the replica's. */
function concerns(roles: Victims, { name }: Activity): boolean {
  return isSync(name) || roles.includes('replica');
}

function isSync(name: Activity['name']): boolean {
  return name === 'small syncs' || name === 'large syncs';
}

function shuffle(items: Trouble[], random: Seeded): void {
  for (const index of items.keys()) {
    const [item] = items.splice(index, 1);
    if (item !== undefined) items.splice(random.below(index + 1), 0, item);
  }
}
