/**
 * Agent, replica and broker are killed at random instants, alone and together, while a writer never
 * rests: nothing committed is lost or altered, and the next sync is good (promises 1 to 3).
 *
 * KILLS=n kills more often than npm test does, SEED=n elsewhere.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RandomTree } from '../agent/support/random-tree.js';
import { type Description, describeDisk } from '../replica/support/disk-tree.js';
import { Seeded } from '../support/seeded.js';
import { differences, PointReader, posix, straysOf } from './support/point-reader.js';
import { type Product, type Role, startProduct } from './support/product.js';

const kills = Number(process.env['KILLS'] ?? 20);
const seed = Number(process.env['SEED'] ?? 20260);
/** The first copy is cut off this often, as long as it is under way. */
const FIRST_COPY_KILLS = 4;
const FIRST_COPY_FILES = 300;
/** What makes the first copy long; it goes after it, so that points are soon read. */
const BULK = 'bulk';
const OPERATIONS_MAX = 12;
/** Every so often all points are read back, not only the newest few. */
const READ_ALL_EVERY = 10;
const NEWEST_READ = 3;

const victims: readonly (readonly Role[])[] = [
  ['agent'],
  ['agent'],
  ['replica'],
  ['replica', 'broker'],
  ['replica', 'broker'],
  ['broker'],
  ['agent', 'replica'],
  ['agent', 'broker'],
  ['agent', 'replica', 'broker'],
];

/** Writes without pause until it is told to rest. */
class Writer {
  readonly #tree: RandomTree;
  #resting = true;
  #done: Promise<void> = Promise.resolve();

  constructor(root: string) {
    this.#tree = new RandomTree(root, seed, 150_000);
  }

  burst(operations: number): void {
    for (let n = 0; n < operations; n += 1) this.#tree.step();
  }

  start(): void {
    this.#resting = false;
    this.#done = this.#write();
  }

  async rest(): Promise<void> {
    this.#resting = true;
    await this.#done;
  }

  async #write(): Promise<void> {
    while (!this.#resting) {
      this.#tree.step();
      await delay(5);
    }
  }
}

/** What is known of the run: what each point cut while nobody wrote must read back as. */
class Witness {
  readonly #product: Product;
  readonly #root: string;
  readonly #copies = new Map<number, Description>();
  #points: string[] = [];

  constructor(product: Product, root: string) {
    this.#product = product;
    this.#root = root;
  }

  /** Nobody writes: a point that is the tree as it is. */
  async quietPoint(): Promise<void> {
    const point = await this.#product.sync('app');
    this.#copies.set(point, describeDisk(posix, this.#root));
  }

  /** Every point there ever was is still there, and those that are known read back equal. */
  async check(what: string, howMany: number): Promise<void> {
    const reader = new PointReader(this.#product, 'app');
    try {
      const points = (await reader.points()).map((point) => JSON.stringify(point));
      expect(points.slice(0, this.#points.length), `${what}: points`).toEqual(this.#points);
      this.#points = points;
      for (const [point, copy] of [...this.#copies].slice(-howMany)) {
        const wrong = differences(await reader.describe(point, 'app'), copy);
        expect(wrong, `${what}: point ${point}`).toEqual([]);
      }
    } finally {
      await reader.close();
    }
  }
}

/** The random operations may have moved it, or parts of it: what is left of it goes. */
function removeBulk(root: string): void {
  for (const name of fs.readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (/(^|\/)first-\d+$/.test(name))
      fs.rmSync(path.join(root, name), { force: true, recursive: true });
  }
}

async function killAndRestart(product: Product, random: Seeded): Promise<string> {
  const chosen = random.pick(victims);
  const killed: Role[] = [];
  for (const role of chosen) {
    if (product.pid(role) === undefined) continue;
    await product.kill(role, 'SIGKILL');
    killed.push(role);
  }
  await delay(random.below(300));
  if (killed.includes('replica')) await product.startReplica();
  if (killed.includes('broker')) {
    await product.until('the broker is back', () => product.pid('broker') !== undefined);
  }
  if (killed.includes('agent')) await product.startAgent();
  await product.until('the agent is back', () => product.connected());
  return killed.join(' and ');
}

test(
  `kills: every point stands and the next sync is good, through ${kills} kills (seed ${seed})`,
  { timeout: 150_000 + kills * 10_000 },
  async () => {
    const random = new Seeded(seed);
    const counts = new Map<string, number>();
    const product = await startProduct({
      sets: (folder) => {
        const root = path.join(folder, 'app');
        const bulk = path.join(root, BULK);
        fs.mkdirSync(bulk, { recursive: true });
        for (let n = 0; n < FIRST_COPY_FILES; n += 1)
          fs.writeFileSync(path.join(bulk, `first-${n}`), random.bytes(random.below(400_000)));
        return [{ name: 'app', roots: [root], schedule: 'continuous' }];
      },
      startAgent: false,
    });
    try {
      const root = path.join(product.folder, 'app');
      const writer = new Writer(root);
      const witness = new Witness(product, root);
      await product.startAgent();
      for (let kill = 1; kill <= kills; kill += 1) {
        if (kill === FIRST_COPY_KILLS + 2) removeBulk(root);
        if (kill > FIRST_COPY_KILLS) {
          writer.burst(1 + random.below(OPERATIONS_MAX));
          await witness.quietPoint();
          await product.until(
            'nothing is left of syncs',
            () => straysOf(product, 'app').length === 0,
          );
        }
        writer.start();
        await delay(random.below(900));
        const who = await killAndRestart(product, random);
        counts.set(who, (counts.get(who) ?? 0) + 1);
        await writer.rest();
        const all = kill % READ_ALL_EVERY === 0 || kill === kills;
        await witness.check(`kill ${kill} of ${who}`, all ? Infinity : NEWEST_READ);
      }
      await witness.quietPoint();
      await witness.check('the end', 1);
      await product.until('nothing is left of syncs', () => straysOf(product, 'app').length === 0);
      await product.ok(['verify', 'app', '--data']);
      process.stdout.write(
        `kills: ${[...counts].map(([who, count]) => `${who} ${count}`).join(', ')}; ${(await product.points('app')).length} points\n`,
      );
    } finally {
      await product.close();
    }
  },
);
