/**
 * The product with a fault layer under agent and replica: one disk fault after another is put under
 * a sync, and what became of the set is told.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../shared/errors.js';
import { RandomTree } from '../../agent/support/random-tree.js';
import { type Description, describeDisk } from '../../replica/support/disk-tree.js';
import { Seeded } from '../../support/seeded.js';
import { differences, PointReader, posix, straysOf } from '../../system/support/point-reader.js';
import { type Product, startProduct } from '../../system/support/product.js';
import {
  type ArmedRule,
  type CallKind,
  callKinds,
  DiskShim,
  type FaultRule,
} from '../shim/disk-shim.js';

export type Side = 'replica' | 'agent';

export interface DiskFault extends FaultRule {
  readonly side: Side;
}

export interface FaultVerdict {
  /** False when the sync made fewer such calls. */
  readonly reached: boolean;
  readonly lost: readonly string[];
  readonly wrong: readonly string[];
  /** It did not go on by itself, or said nothing. */
  readonly stuck: readonly string[];
}

const SET = 'app';
const FILE_BYTES_MAX = 150_000;
const CHANGES_MAX = 8;
const FILES_AT_FIRST = 60;
/** A fault that stays is taken away after it was met and this long. */
const FAULT_MS = 1500;
const PATIENCE_MS = 45_000;
const POLL_MS = 20;
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

  /** Starts it with one point. Needs a compiler. */
  static async start(seed: number): Promise<FaultyProduct> {
    const shims: Partial<Record<Side, DiskShim>> = {};
    const shimOf = (side: Side, folder: string): DiskShim =>
      (shims[side] ??= new DiskShim(path.join(folder, side)));
    const product = await startProduct({
      sets: (folder) => {
        fs.mkdirSync(path.join(folder, SET));
        return [{ name: SET, roots: [path.join(folder, SET)] }];
      },
      env: (side, folder) => shimOf(side, folder).env,
    });
    const { folder } = product;
    const both = { replica: shimOf('replica', folder), agent: shimOf('agent', folder) };
    const faulty = new FaultyProduct(product, both, seed);
    for (const shim of Object.values(both)) shim.remember();
    for (let n = 0; n < FILES_AT_FIRST; n += 1) faulty.#tree.step();
    await faulty.cleanSync();
    return faulty;
  }

  /** Changes the tree and syncs without a fault; how many calls of each kind that took. */
  async cleanSync(): Promise<Record<Side, ReadonlyMap<CallKind, number>>> {
    const before = { replica: this.#counts('replica'), agent: this.#counts('agent') };
    this.#change();
    await this.#quietPoint();
    return { replica: this.#since('replica', before), agent: this.#since('agent', before) };
  }

  /** Changes the tree and syncs with a fault. Never throws for what the product does. */
  async tryFault(fault: DiskFault): Promise<FaultVerdict> {
    const verdict = {
      reached: false,
      lost: [] as string[],
      wrong: [] as string[],
      stuck: [] as string[],
    };
    const { side, ...rule } = fault;
    const logLength = this.product.log(side).length;
    this.#change();
    const armed = this.#shims[side].arm(rule);
    const asked = this.#ask();
    try {
      verdict.reached = await this.#untilMet(armed, asked);
      if (verdict.reached && fault.times === undefined) {
        await delay(FAULT_MS);
        verdict.stuck.push(...(await this.#saidNothing(fault, { logLength, asked })));
        await this.#check(verdict, 1);
      }
      armed.lift();
      await this.#goOn(asked, verdict);
      await this.#check(verdict, NEWEST_READ);
    } catch (error) {
      verdict.stuck.push(messageOf(error));
    } finally {
      armed.lift();
    }
    return verdict;
  }

  /** Every point, what is left of syncs, and the replica's own check; what is wrong. */
  async checkAll(): Promise<string[]> {
    const verdict = { lost: [] as string[], wrong: [] as string[] };
    await this.#check(verdict, Infinity);
    const { code, out } = await this.product.run(['verify', SET, '--data']);
    if (code !== 0) verdict.wrong.push(`verify ended with ${code}: ${out.slice(-500)}`);
    await this.product.until(
      'nothing is left of syncs',
      () => straysOf(this.product, SET).length === 0,
    );
    return [...verdict.lost, ...verdict.wrong];
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
  async #quietPoint(): Promise<void> {
    const { point } = await this.product.syncAnswer(SET);
    if (point === null) throw new Error('the sync has no point');
    this.#copies.set(point.point, describeDisk(posix, this.#root));
  }

  /** A sync that was asked for; settled when it is over, well or not. */
  #ask(): Asked {
    const asked: Asked = { over: false, error: undefined, done: Promise.resolve() };
    asked.done = this.#quietPoint().then(
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

  /** False when the sync was over without meeting it. */
  async #untilMet(rule: ArmedRule, asked: Asked): Promise<boolean> {
    const endMs = performance.now() + PATIENCE_MS;
    while (rule.hit() === 0) {
      if (asked.over) return false;
      if (performance.now() > endMs) throw new Error('the sync neither met the fault nor ended');
      await delay(POLL_MS);
    }
    return true;
  }

  /** A fault that stays must be told, by the process or about the set, unless the sync did without. */
  async #saidNothing(
    { side }: DiskFault,
    { logLength, asked }: { logLength: number; asked: Asked },
  ): Promise<string[]> {
    if (asked.over && asked.error === undefined) return [];
    const log = this.product.log(side).slice(logLength);
    const told = log
      .split('\n')
      .some((line) => /"level":"(?:error|warn)"/.test(line) && line.includes('"hint"'));
    if (told) return [];
    const { sets } = await this.product.status();
    if (sets.some(({ error }) => error !== null && error.hint !== '')) return [];
    return [`the ${side} said nothing with a hint; its log: ${log.slice(-600)}`];
  }

  /** It goes on by itself; a process that ended is started again, and told of. */
  async #goOn(asked: Asked, verdict: { stuck: string[] }): Promise<void> {
    for (const side of ['replica', 'agent'] as const) {
      if (this.product.pid(side) !== undefined) continue;
      verdict.stuck.push(`the ${side} ended: ${this.product.log(side).slice(-1500)}`);
      if (side === 'replica') await this.product.startReplica();
      else await this.product.startAgent();
    }
    const late = delay(PATIENCE_MS, 'late' as const, { ref: false });
    if ((await Promise.race([asked.done, late])) === 'late') {
      const { sets } = await this.product.status();
      verdict.stuck.push(`no point ${PATIENCE_MS} ms after the fault: ${JSON.stringify(sets)}`);
      for (const side of ['agent', 'replica'] as const) await this.product.kill(side, 'SIGKILL');
      await this.product.startReplica();
      await this.product.startAgent();
      await asked.done;
    }
    if (asked.error !== undefined) {
      await this.product.until('the agent is back', () => this.product.connected());
      await this.#quietPoint();
    }
  }

  async #check(
    verdict: { readonly lost: string[]; readonly wrong: string[] },
    howMany: number,
  ): Promise<void> {
    const reader = new PointReader(this.product, SET);
    try {
      const points = new Set((await reader.points()).map(({ point }) => point));
      for (const [point, copy] of [...this.#copies].slice(-howMany)) {
        if (!points.has(point)) verdict.lost.push(`point ${point} is gone`);
        else {
          const wrong = differences(await reader.describe(point, SET), copy);
          verdict.wrong.push(...wrong.map((line) => `point ${point}: ${line}`));
        }
      }
    } finally {
      await reader.close();
    }
  }
}

interface Asked {
  over: boolean;
  error: string | undefined;
  done: Promise<void>;
}
