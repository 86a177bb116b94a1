/**
 * One life of the product as it is installed, with a set whose tree is known: processes that are
 * killed or stopped at any instant, and brought back.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RandomTree } from '../../agent/support/random-tree.js';
import { Seeded } from '../../support/seeded.js';
import {
  type Product,
  type ProductOptions,
  type Role,
  startProduct,
} from '../../system/support/product.js';
import { Witness } from './witness.js';

export const SET = 'app';
/** What makes the first copy long; most of it goes after it, so that points are soon read. */
const FIRST_FILES = 320;
const FIRST_FILE_BYTES = 100_000;
const FIRST_FILES_KEPT = 12;
const SMALL_FILE_BYTES_MAX = 120_000;
/** A process that starts again is killed again so often. */
const KILLED_AGAIN = 0.15;
const AGAIN_MS_MAX = 900;
const PAUSE_MS_MAX = 250;
const WRITE_EVERY_MS = 5;

export type Victims = readonly Role[];

export interface LifeOptions {
  readonly seed: number;
  readonly storage: 'disk' | 'memory';
  readonly env?: NonNullable<ProductOptions['env']>;
}

export class Life {
  readonly product: Product;
  readonly witness: Witness;
  readonly random: Seeded;
  readonly root: string;
  readonly storage: LifeOptions['storage'];
  /** Bytes of the first copy. */
  readonly firstBytes = FIRST_FILES * FIRST_FILE_BYTES;
  readonly #tree: RandomTree;
  #writing: { rest: boolean; readonly done: Promise<void> } | undefined;

  private constructor(product: Product, { seed, storage }: LifeOptions) {
    this.product = product;
    this.storage = storage;
    this.random = new Seeded(seed);
    this.root = path.join(product.folder, SET);
    this.witness = new Witness(product, { set: SET, root: this.root, seed });
    this.#tree = new RandomTree(path.join(this.root, 'small'), seed, SMALL_FILE_BYTES_MAX);
  }

  /** Replica and broker run, the agent is enrolled and was not started yet. */
  static async start(options: LifeOptions): Promise<Life> {
    const { seed, ...given } = options;
    const random = new Seeded(seed + 1);
    const product = await startProduct({
      ...given,
      startAgent: false,
      sets: (folder) => {
        const root = path.join(folder, SET);
        for (const part of ['small', 'first', 'bulk'])
          fs.mkdirSync(path.join(root, part), { recursive: true });
        for (let n = 0; n < FIRST_FILES; n += 1)
          fs.writeFileSync(path.join(root, 'first', String(n)), random.bytes(FIRST_FILE_BYTES));
        return [{ name: SET, roots: [root] }];
      },
    });
    return new Life(product, options);
  }

  /** Random changes of the tree, of the kinds that applications make. */
  change(operations: number): void {
    for (let n = 0; n < operations; n += 1) this.#tree.step();
  }

  /** Ends what made the first copy long. */
  shrink(): void {
    for (let n = FIRST_FILES_KEPT; n < FIRST_FILES; n += 1)
      fs.rmSync(path.join(this.root, 'first', String(n)), { force: true });
  }

  /** Somebody writes without a pause until `rest`. */
  write(): void {
    const writing = { rest: false };
    const work = async (): Promise<void> => {
      while (!writing.rest) {
        this.#tree.step();
        await delay(WRITE_EVERY_MS);
      }
    };
    this.#writing = Object.assign(writing, { done: work() });
  }

  async rest(): Promise<void> {
    if (this.#writing === undefined) return;
    this.#writing.rest = true;
    await this.#writing.done;
    this.#writing = undefined;
  }

  /** All at once; those that ran. */
  async kill(victims: Victims): Promise<Role[]> {
    const running = victims.filter((role) => this.product.pid(role) !== undefined);
    await Promise.all(running.map((role) => this.product.kill(role, 'SIGKILL')));
    return running;
  }

  /** Starts what was killed, now and then killing it once more while it starts; whether it did. */
  async bringBack(killed: readonly Role[]): Promise<{ readonly killedAgain: boolean }> {
    let killedAgain = false;
    await delay(this.random.below(PAUSE_MS_MAX));
    if (killed.includes('replica')) {
      if (this.random.chance(KILLED_AGAIN)) {
        const start = this.product.startReplica().catch(() => undefined);
        await delay(this.random.below(AGAIN_MS_MAX));
        killedAgain = this.product.pid('replica') !== undefined;
        if (killedAgain) await this.kill(['replica']);
        await start;
      }
      if (this.product.pid('replica') === undefined) await this.product.startReplica();
    }
    await this.product.until('the broker is back', () => this.product.pid('broker') !== undefined);
    if (this.product.pid('agent') === undefined) await this.product.startAgent();
    await this.product.until('the agent is back', () => this.product.connected());
    return { killedAgain };
  }

  /** Stands still for a while, all at once. */
  async stop(victims: Victims, ms: number): Promise<Role[]> {
    const pids = victims.flatMap((role) => {
      const pid = this.product.pid(role);
      return pid === undefined ? [] : [{ role, pid }];
    });
    for (const { pid } of pids) process.kill(pid, 'SIGSTOP');
    try {
      await delay(ms);
    } finally {
      for (const { pid } of pids) process.kill(pid, 'SIGCONT');
    }
    return pids.map(({ role }) => role);
  }

  /** Bytes that the agent sent over each of its connections of now; undefined where nobody counts. */
  sentBytes(): ReadonlyMap<string, number> | undefined {
    const pid = this.product.pid('agent');
    const { error, stdout } = spawnSync('ss', ['-tinpHO'], { encoding: 'utf8' });
    if (error !== undefined || pid === undefined) return undefined;
    const lines = stdout.split('\n').filter((line) => line.includes(`pid=${pid},`));
    return new Map(
      lines.map((line) => [
        line.split(/\s+/).slice(3, 5).join(' '),
        Number(/\bbytes_sent:(\d+)/.exec(line)?.[1] ?? 0),
      ]),
    );
  }

  async close(): Promise<void> {
    await this.rest();
    await this.product.close();
  }
}
