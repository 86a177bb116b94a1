/**
 * Agent or replica come out of an older copy of themselves, taken at a random moment, or lose what
 * they have, and are killed at random instants while they heal. After each time: the next sync
 * succeeds and its point equals the source, every point that the replica still has reads back as it
 * was, and a point says what was healed (promises 2 and 3; R12 to R14).
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../shared/errors.js';
import type { Divergence } from '../../../shared/protocol/sync-outcome.js';
import { RandomTree } from '../../agent/support/random-tree.js';
import { type Description, describeDisk } from '../../replica/support/disk-tree.js';
import { Seeded } from '../../support/seeded.js';
import { agentSays, backUp, putBack, SET } from '../../system/support/divergent.js';
import { differences, PointReader, posix } from '../../system/support/point-reader.js';
import { type Product, startProduct } from '../../system/support/product.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';

const TRIES = 40;
const TRIES_A_LIFE = 12;
const FILE_BYTES_MAX = 120_000;
const STEPS_MAX = 15;
const SYNCS_MAX = 3;
const KILLS_MAX = 2;
const KILL_MS_MAX = 700;
const AWAY_MAX = 12;

const kinds = {
  'agent state deleted': ['agent-state-lost'],
  'agent state from an older copy': ['agent-state-old'],
  'machine from an older copy, adopted': ['agent-state-old'],
  'replica from an older copy': ['replica-state-old'],
  'replica without its sets': ['replica-state-lost'],
} as const satisfies Record<string, readonly Divergence[]>;
type Kind = keyof typeof kinds;
const allKinds = Object.keys(kinds) as Kind[];

type Tally = { -readonly [key in keyof Outcome]: Outcome[key] };

export const campaign: Campaign = {
  name: 'divergence',
  run: (options) => diverge(options, allKinds),
};

/** Some kinds of divergence, each as often as the budget says. */
export async function diverge(
  options: CampaignOptions,
  chosen: readonly Kind[],
): Promise<readonly Outcome[]> {
  const random = new Seeded(options.seed);
  const tries = Math.max(1, Math.round(TRIES * options.budget));
  const queue = chosen.flatMap((kind) => Array.from({ length: tries }, () => kind));
  const tallies = new Map<Kind, Tally>(
    chosen.map((kind) => [kind, { kind, tried: 0, survived: 0, lost: 0, wrong: 0 }]),
  );
  for (let life = 0; queue.length > 0; life += 1) {
    const seed = options.seed * 1009 + life;
    const pair = await Pair.start(seed);
    try {
      for (let n = 0; n < TRIES_A_LIFE && queue.length > 0; n += 1) {
        const [kind] = queue.splice(random.below(queue.length), 1);
        const tally = kind === undefined ? undefined : tallies.get(kind);
        if (kind === undefined || tally === undefined) break;
        tally.tried += 1;
        try {
          options.log(`${kind}: ${await pair.try(kind)}`);
          tally.survived += 1;
        } catch (error) {
          const verdict = error instanceof Broken ? error.verdict : 'lost';
          tally[verdict] += 1;
          options.log(`${kind}, life ${life} of seed ${seed}: ${verdict}: ${messageOf(error)}`);
          break;
        }
      }
    } finally {
      await pair.close();
    }
  }
  return [...tallies.values()];
}

class Broken extends Error {
  readonly verdict: 'lost' | 'wrong';

  constructor(verdict: 'lost' | 'wrong', message: string) {
    super(message);
    this.verdict = verdict;
  }
}

/** An agent and a replica, with what each point must read back as. */
class Pair {
  readonly #product: Product;
  readonly #random: Seeded;
  readonly #root: string;
  readonly #tree: RandomTree;
  readonly #copies = new Map<number, Description>();

  private constructor(product: Product, seed: number) {
    this.#product = product;
    this.#random = new Seeded(seed);
    this.#root = path.join(product.folder, SET);
    this.#tree = new RandomTree(this.#root, seed, FILE_BYTES_MAX);
  }

  static async start(seed: number): Promise<Pair> {
    const product = await startProduct({
      startAgent: false,
      sets: (folder) => {
        const root = path.join(folder, SET);
        fs.mkdirSync(root);
        return [{ name: SET, roots: [root] }];
      },
    });
    const pair = new Pair(product, seed);
    for (let n = 0; n < 60; n += 1) pair.#tree.step();
    await product.startAgent();
    await pair.#point();
    return pair;
  }

  async try(kind: Kind): Promise<string> {
    const before = new Set(this.#copies.keys());
    await this.#diverge(kind);
    const kills = await this.#killWhileHealing(kind);
    const newest = await this.#point();
    await this.#judge();
    const healed = await this.#healed(newest);
    // Killed in between, one side may see more than one reason; the first stands in the point.
    if (healed.length === 0) throw new Broken('wrong', 'no point says that it healed anything');
    const expected: readonly Divergence[] = kinds[kind];
    if (!healed.some((reason) => expected.includes(reason))) {
      throw new Broken('wrong', `points say ${healed.join()} and not ${expected.join()}`);
    }
    return `healed with ${kills} kills at point ${newest}, after ${before.size} points`;
  }

  close(): Promise<void> {
    return this.#product.close();
  }

  async #diverge(kind: Kind): Promise<void> {
    const product = this.#product;
    const { agentData, replicaData } = product;
    const copy = path.join(product.folder, 'older-copy');
    switch (kind) {
      case 'agent state deleted':
        await product.kill('agent', this.#signal());
        fs.rmSync(path.join(agentData, 'sets'), { recursive: true });
        break;
      case 'agent state from an older copy':
      case 'machine from an older copy, adopted': {
        const whole = kind !== 'agent state from an older copy';
        const folder = whole ? agentData : path.join(agentData, 'sets');
        await product.kill('agent', this.#signal());
        backUp(folder, copy);
        await product.startAgent();
        await this.#goOn();
        await product.kill('agent', 'SIGTERM');
        putBack(folder, copy);
        break;
      }
      case 'replica from an older copy': {
        await product.kill('replica', 'SIGTERM');
        backUp(replicaData, copy);
        const known = new Set(this.#copies.keys());
        await this.#startReplica();
        await this.#goOn();
        await this.#endReplica();
        putBack(replicaData, copy);
        for (const point of this.#copies.keys()) if (!known.has(point)) this.#copies.delete(point);
        break;
      }
      case 'replica without its sets':
        await this.#endReplica();
        fs.rmSync(path.join(replicaData, 'sets'), { recursive: true });
        this.#copies.clear();
        break;
    }
    this.#change();
    if (product.pid('replica') === undefined) await product.startReplica();
    if (product.pid('agent') === undefined) await product.startAgent('refused');
    if (kind === 'machine from an older copy, adopted') await this.#adopt();
  }

  async #adopt(): Promise<void> {
    const product = this.#product;
    await product.until('the machine is refused', () => {
      const told = path.join(product.agentData, 'status.json');
      return fs.existsSync(told) && agentSays(product.agentData).error?.code === 'identity-in-use';
    });
    await product.ok(['enroll', 'local', '--adopt', '--config', product.replicaFile]);
    await product.until('it is let in', () => product.connected());
  }

  /** Healing begins by itself when both are there, if not before a sync is asked for. */
  async #killWhileHealing(kind: Kind): Promise<number> {
    const product = this.#product;
    const kills = this.#random.below(KILLS_MAX + 1);
    for (let kill = 0; kill < kills; kill += 1) {
      // Who is killed may never answer.
      void product.syncAnswer(SET).catch(() => undefined);
      await delay(this.#random.below(KILL_MS_MAX));
      const role = this.#random.chance(0.5) ? 'agent' : 'replica';
      await product.kill(role, 'SIGKILL');
      if (role === 'agent') await product.startAgent();
      else await this.#startReplica();
    }
    await product.until(`the agent is back after ${kind}`, () => product.connected());
    return kills;
  }

  async #startReplica(): Promise<void> {
    await this.#product.startReplica();
    await this.#product.until('the agent is back', () => this.#product.connected());
  }

  /** With the broker it runs: the machine goes, not the process alone. */
  async #endReplica(): Promise<void> {
    await this.#product.kill('replica', this.#signal());
    if (this.#product.pid('broker') !== undefined) await this.#product.kill('broker', 'SIGKILL');
  }

  #signal(): 'SIGKILL' | 'SIGTERM' {
    return this.#random.chance(0.5) ? 'SIGKILL' : 'SIGTERM';
  }

  #change(): void {
    for (let n = this.#random.below(STEPS_MAX); n >= 0; n -= 1) this.#tree.step();
  }

  async #goOn(): Promise<void> {
    for (let sync = this.#random.below(SYNCS_MAX); sync >= 0; sync -= 1) {
      this.#change();
      await this.#point();
    }
  }

  /** Nobody writes: a point that is the tree as it is. */
  async #point(): Promise<number> {
    const point = await this.#sync();
    this.#copies.set(point, describeDisk(posix, this.#root));
    return point;
  }

  /** An agent that was killed counts as connected for some seconds, and is not there to be asked. */
  async #sync(): Promise<number> {
    for (let again = 0; ; again += 1) {
      try {
        return await this.#product.sync(SET);
      } catch (error) {
        if (again === AWAY_MAX || !messageOf(error).includes('agent-away')) throw error;
      }
    }
  }

  async #judge(): Promise<void> {
    const reader = new PointReader(this.#product, SET);
    try {
      const there = new Set((await reader.points()).map(({ point }) => point));
      for (const [point, copy] of this.#copies) {
        if (!there.has(point)) throw new Broken('lost', `point ${point} is gone`);
        const wrong = differences(await reader.describe(point, SET), copy);
        if (wrong.length > 0) throw new Broken('wrong', `point ${point}: ${wrong.join('; ')}`);
      }
    } finally {
      await reader.close();
    }
  }

  /** What points since the last one that was known before say. */
  async #healed(newest: number): Promise<Divergence[]> {
    const last = [...this.#copies.keys()].filter((point) => point < newest).at(-1) ?? 0;
    const points = await this.#product.points(SET);
    return points.flatMap(({ point, healed }) => (point > last && healed !== null ? [healed] : []));
  }
}
