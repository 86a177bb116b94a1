/**
 * The product with a fault layer under agent and replica: one piece of trouble after another is put
 * under a sync, and what became of the set is told.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../shared/errors.js';
import { RandomTree } from '../../agent/support/random-tree.js';
import { type Description, describeDisk } from '../../replica/support/disk-tree.js';
import { Seeded } from '../../support/seeded.js';
import { differences, PointReader, posix, straysOf } from '../../system/support/point-reader.js';
import { type Product, type ProductOptions, startProduct } from '../../system/support/product.js';
import { type CallKind, callKinds, DiskShim } from '../shim/disk-shim.js';

export type Side = 'replica' | 'agent';

/** Something that is done to the product while it syncs. */
export interface Trouble {
  readonly side: Side;
  /** Begins right before a sync is asked for. */
  begin(): void;
  /** Whether it was met; trouble that a sync never meets is not counted. */
  met(): boolean;
  end(): void;
  /** `lasting`: kept up until the process told of it or the sync is over; old points are read meanwhile. */
  readonly stays: 'lasting' | 'once';
}

export interface Verdict {
  readonly met: boolean;
  readonly lost: readonly string[];
  readonly wrong: readonly string[];
  /** It said nothing, ended, or did not go on by itself. */
  readonly stuck: readonly string[];
}

type Findings = Record<'lost' | 'wrong' | 'stuck', string[]>;

/** A sync that was asked for. */
interface Asked {
  over: boolean;
  /** Nobody waits for its point any more. */
  given: 'awaited' | 'up';
  error: string | undefined;
  done: Promise<void>;
}

const SET = 'app';
const FILE_BYTES_MAX = 150_000;
const CHANGES_MAX = 8;
const FILES_AT_FIRST = 60;
const PATIENCE_MS = 45_000;
const POLL_MS = 20;
const ANSWER_MS = 3_000;
const NEWEST_READ = 2;

export class FaultyProduct {
  readonly product: Product;
  readonly #shims: Readonly<Record<Side, DiskShim>>;
  readonly #tree: RandomTree;
  readonly #random: Seeded;
  readonly #root: string;
  readonly #copies = new Map<number, Description>();

  private constructor(product: Product, shims: Record<Side, DiskShim>, seed: number) {
    this.product = product;
    this.#shims = shims;
    this.#root = path.join(product.folder, SET);
    this.#random = new Seeded(seed);
    this.#tree = new RandomTree(this.#root, seed, FILE_BYTES_MAX);
  }

  /** Starts it with one point. Needs a compiler. `prepare` is given the replica's data folder first. */
  static async start(
    seed: number,
    options: {
      readonly prepare?: (replicaData: string) => void;
      readonly replica?: ProductOptions['replica'];
    } = {},
  ): Promise<FaultyProduct> {
    const shims: Partial<Record<Side, DiskShim>> = {};
    const shimOf = (side: Side, folder: string): DiskShim =>
      (shims[side] ??= new DiskShim(path.join(folder, side)));
    const product = await startProduct({
      sets: (folder) => {
        fs.mkdirSync(path.join(folder, SET));
        options.prepare?.(path.join(folder, 'replica'));
        return [{ name: SET, roots: [path.join(folder, SET)] }];
      },
      env: (side, folder) => shimOf(side, folder).env,
      ...(options.replica === undefined ? {} : { replica: options.replica }),
    });
    const both = {
      replica: shimOf('replica', product.folder),
      agent: shimOf('agent', product.folder),
    };
    for (const shim of Object.values(both)) shim.remember();
    const faulty = new FaultyProduct(product, both, seed);
    for (let n = 0; n < FILES_AT_FIRST; n += 1) faulty.#tree.step();
    await faulty.#quietPoint();
    return faulty;
  }

  shim(side: Side): DiskShim {
    return this.#shims[side];
  }

  /** Changes the tree and syncs without trouble; how many calls of each kind that took. */
  async cleanSync(): Promise<Record<Side, ReadonlyMap<CallKind, number>>> {
    const before = { replica: this.#counts('replica'), agent: this.#counts('agent') };
    this.#change();
    await this.#quietPoint();
    return { replica: this.#since('replica', before), agent: this.#since('agent', before) };
  }

  /** Changes the tree and syncs in trouble. Never throws for what the product does. */
  async sync(trouble: Trouble): Promise<Verdict> {
    const found: Findings = { lost: [], wrong: [], stuck: [] };
    const logged = this.product.log(trouble.side).length;
    this.#change();
    trouble.begin();
    const asked = this.#ask();
    let met = false;
    try {
      met = await this.#until(() => trouble.met() || asked.over);
      if (!met) found.stuck.push('the sync neither met the trouble nor ended');
      met = trouble.met();
      if (met && trouble.stays === 'lasting')
        await this.#lookMeanwhile(trouble, { asked, logged, found });
      trouble.end();
      await this.#goOn(asked, found);
      await this.#check(found, NEWEST_READ);
    } catch (error) {
      found.stuck.push(messageOf(error));
    } finally {
      trouble.end();
    }
    return { met, ...found };
  }

  /** Every point, what is left of syncs, and the replica's own check; what is wrong. */
  async checkAll(): Promise<string[]> {
    const found: Findings = { lost: [], wrong: [], stuck: [] };
    await this.#check(found, Infinity);
    const { code, out } = await this.product.run(['verify', SET, '--data']);
    if (code !== 0) found.wrong.push(`verify ended with ${code}: ${out.slice(-500)}`);
    const clean = await this.#until(() => straysOf(this.product, SET).length === 0);
    if (!clean) found.wrong.push(`left of syncs: ${straysOf(this.product, SET).join(', ')}`);
    return [...found.lost, ...found.wrong];
  }

  async close(): Promise<void> {
    await this.product.close();
    for (const shim of Object.values(this.#shims)) shim.close();
  }

  #counts(side: Side): ReadonlyMap<CallKind, number> {
    return new Map(callKinds.map((kind) => [kind, this.#shims[side].count(kind)]));
  }

  #since(
    side: Side,
    before: Record<Side, ReadonlyMap<CallKind, number>>,
  ): ReadonlyMap<CallKind, number> {
    const now = this.#counts(side);
    return new Map([...now].map(([kind, count]) => [kind, count - (before[side].get(kind) ?? 0)]));
  }

  #change(): void {
    for (let n = this.#random.below(CHANGES_MAX); n >= 0; n -= 1) this.#tree.step();
  }

  /** Nobody writes: a point that is the tree as it is. */
  async #quietPoint(isAwaited = (): boolean => true): Promise<void> {
    const { point } = await this.product.syncAnswer(SET);
    if (point === null) throw new Error('the sync has no point');
    if (!isAwaited()) return;
    this.#copies.set(point.point, describeDisk(posix, this.#root));
  }

  #ask(): Asked {
    const asked: Asked = {
      over: false,
      given: 'awaited',
      error: undefined,
      done: Promise.resolve(),
    };
    asked.done = this.#quietPoint(() => asked.given === 'awaited').then(
      () => {
        asked.over = true;
      },
      (error: unknown) => {
        asked.over = true;
        asked.error = messageOf(error);
      },
    );
    return asked;
  }

  /** False when it did not come true in time. */
  async #until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (performance.now() > endMs) return false;
      await delay(POLL_MS);
    }
    return true;
  }

  /** Lasting trouble is told, by the process or about the set, unless the sync did without. */
  async #lookMeanwhile(
    { side }: Trouble,
    { asked, logged, found }: { asked: Asked; logged: number; found: Findings },
  ): Promise<void> {
    const isTold = async (): Promise<boolean> => {
      if (asked.over || this.product.pid(side) === undefined) return true;
      const lines = this.product.log(side).slice(logged).split('\n');
      if (lines.some((line) => /"level":"(error|warn)".*"hint":"./.test(line))) return true;
      const { sets } = await this.product.status();
      return sets.some(({ error }) => error !== null && error.hint !== '');
    };
    if (!(await this.#until(isTold)))
      found.stuck.push(`the ${side} said nothing: ${this.product.log(side).slice(logged, 1000)}`);
    if (this.product.pid('replica') !== undefined) await this.#check(found, 1);
  }

  /** It goes on by itself; a process that ended is started again, and told of. */
  async #goOn(asked: Asked, found: Findings): Promise<void> {
    for (const side of ['replica', 'agent'] as const) {
      if (this.product.pid(side) !== undefined) continue;
      found.stuck.push(`the ${side} ended: ${this.product.log(side).slice(-1500)}`);
      await this.#start(side);
    }
    const askedAt = Math.max(...this.#copies.keys());
    // An agent that opened its set anew does not know who asked; its point is there all the same.
    const over = async (): Promise<boolean> =>
      asked.over || ((await this.#newest()) > askedAt && !(await this.#answered(asked)));
    if ((await this.#until(over)) && !asked.over) {
      asked.given = 'up';
      await this.#quietPoint();
      return;
    }
    if (!asked.over) {
      const { sets } = await this.product.status();
      found.stuck.push(`no point ${PATIENCE_MS} ms after the trouble: ${JSON.stringify(sets)}`);
      for (const side of ['agent', 'replica'] as const) await this.product.kill(side, 'SIGKILL');
      for (const side of ['replica', 'agent'] as const) await this.#start(side);
      await asked.done;
    }
    if (asked.error !== undefined) {
      await this.product.until('the agent is back', () => this.product.connected());
      await this.#quietPoint();
    }
  }

  async #newest(): Promise<number> {
    const { sets } = await this.product.status();
    return sets[0]?.newest?.point ?? 0;
  }

  /** Within the time that a point's answer takes. */
  async #answered(asked: Asked): Promise<boolean> {
    await Promise.race([asked.done, delay(ANSWER_MS)]);
    return asked.over;
  }

  async #start(side: Side): Promise<void> {
    if (side === 'replica') await this.product.startReplica();
    else await this.product.startAgent();
  }

  async #check(found: Findings, howMany: number): Promise<void> {
    const reader = new PointReader(this.product, SET);
    try {
      const points = new Set((await reader.points()).map(({ point }) => point));
      for (const [point, copy] of [...this.#copies].slice(-howMany)) {
        if (!points.has(point)) found.lost.push(`point ${point} is gone`);
        else {
          const wrong = differences(await reader.describe(point, SET), copy);
          found.wrong.push(...wrong.map((line) => `point ${point}: ${line}`));
        }
      }
    } finally {
      await reader.close();
    }
  }
}
