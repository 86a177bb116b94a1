/**
 * What is known of a run: every point there ever was and what it must read back as. It judges the
 * product after each trouble: whether something acknowledged is gone, reads otherwise, or whether
 * something was left behind.
 */
import path from 'node:path';
import { syncAnswerSchema } from '../../../shared/api/actions.js';
import { setPath } from '../../../cli/api-client.js';
import { messageOf } from '../../../shared/errors.js';
import type { PointJson } from '../../../shared/api/points.js';
import { type Description, describeDisk } from '../../replica/support/disk-tree.js';
import { differences, PointReader, posix, straysOf } from '../../system/support/point-reader.js';
import type { Product } from '../../system/support/product.js';
import { Seeded } from '../../support/seeded.js';
import { inspectSet } from './orphans.js';

/** Older points that are read after each trouble, beside the newest few. */
const OLDER_READ = 2;
const NEWEST_READ = 2;
const SYNC_MS_MAX = 180_000;

/** The product did not keep a promise. */
export class Broken extends Error {
  readonly lost: number;
  readonly wrong: number;

  constructor(what: string, counts: { readonly lost?: number; readonly wrong?: number } = {}) {
    super(what);
    this.lost = counts.lost ?? 0;
    this.wrong = counts.wrong ?? 0;
  }
}

export interface JudgeOptions {
  /** The tree stood as it is when the first sync since the last judgement was asked for. */
  readonly still: boolean;
  /** Which points are read back beside the new ones; `none`: not even those. */
  readonly read: 'all' | 'some' | 'none';
  /** Points that an operator asked to remove: each is whole or gone. */
  readonly mayBeGone?: ReadonlySet<number>;
}

export class Witness {
  readonly #product: Product;
  readonly #set: string;
  readonly #root: string;
  readonly #random: Seeded;
  readonly #copies = new Map<number, Description>();
  readonly #told = new Map<number, string>();
  /** Answers to syncs that were cut off later: those points exist. */
  readonly #acknowledged = new Set<number>();

  /** Of the set `set` with the one root `root`, which is named for its last component. */
  constructor(product: Product, at: { set: string; root: string; seed: number }) {
    this.#product = product;
    this.#set = at.set;
    this.#root = at.root;
    this.#random = new Seeded(at.seed);
  }

  get setFolder(): string {
    return path.join(this.#product.replicaData, 'sets', this.#set);
  }

  /** Points there are, oldest first. */
  get points(): readonly number[] {
    return [...this.#told.keys()];
  }

  /** What a point must read back as. */
  copyOf(point: number): Description {
    const copy = this.#copies.get(point);
    if (copy === undefined) throw new Error(`point ${point} is not known`);
    return copy;
  }

  /** Asks for a sync and does not wait; an answer that comes before trouble does counts. */
  ask(): Promise<void> {
    return this.#product
      .api(setPath(this.#set, 'sync'), { waitMs: SYNC_MS_MAX })
      .then((answer) => {
        const { point } = syncAnswerSchema.parse(answer);
        if (point !== null) this.#acknowledged.add(point.point);
      })
      .catch(() => {
        // The trouble it was asked for. The next sync tells how it went.
      });
  }

  /** The next sync is good, nothing that was acknowledged is gone or altered, nothing is left behind. */
  async judge(what: string, options: JudgeOptions): Promise<number> {
    const point = await this.#sync(what);
    this.#acknowledged.add(point);
    const now = describeDisk(posix, this.#root);
    await this.#product.until(
      `${what}: nothing is left of syncs`,
      () => straysOf(this.#product, this.#set).length === 0,
    );
    this.#judgeFolder(what, now);
    await this.#judgePoints(what, { ...options, newest: point, now });
    return point;
  }

  /** Whoever was connected a moment ago may just find out that it is not. */
  async #sync(what: string): Promise<number> {
    let point = 0;
    await this.#product.until(`${what}: the next sync succeeds`, async () => {
      try {
        point = await this.#product.sync(this.#set);
        return true;
      } catch (error) {
        if (messageOf(error).includes('"code":"agent-away"')) return false;
        throw error;
      }
    });
    return point;
  }

  #judgeFolder(what: string, now: Description): void {
    const { orphans, missing } = inspectSet(this.setFolder);
    if (missing.length > 0)
      throw new Broken(`${what}: missing: ${missing.join(', ')}`, { lost: 1 });
    if (orphans.length > 0) throw new Broken(`${what}: no row names ${orphans.join(', ')}`);
    const base = describeDisk(posix, path.join(this.setFolder, 'base', path.basename(this.#root)));
    const wrong = differences(plainOf(base), plainOf(now));
    if (wrong.length > 0) throw new Broken(`${what}: base: ${wrong.join('; ')}`, { wrong: 1 });
  }

  async #judgePoints(
    what: string,
    options: JudgeOptions & { readonly newest: number; readonly now: Description },
  ): Promise<void> {
    const reader = new PointReader(this.#product, this.#set);
    try {
      const points = await reader.points();
      this.#judgeList(what, points, options.mayBeGone ?? new Set());
      const fresh = points.filter(({ point }) => !this.#told.has(point));
      for (const point of fresh) {
        if (point.healed !== null) {
          throw new Broken(`${what}: point ${point.point} heals ${point.healed}`, { wrong: 1 });
        }
        const known = options.still || point.point === options.newest;
        const copy = known ? options.now : await reader.describe(point.point, this.#rootName);
        this.#copies.set(point.point, copy);
        this.#told.set(point.point, JSON.stringify(point));
      }
      const older = this.points.filter((point) => fresh.every((one) => one.point !== point));
      for (const point of this.#chosen(options.read, {
        fresh: [...fresh].map((one) => one.point),
        older,
      })) {
        const read = await reader.describe(point, this.#rootName);
        const wrong = differences(read, this.copyOf(point));
        if (wrong.length > 0) {
          throw new Broken(`${what}: point ${point}: ${wrong.join('; ')}`, { wrong: 1 });
        }
      }
    } finally {
      await reader.close();
    }
  }

  #judgeList(what: string, points: readonly PointJson[], mayBeGone: ReadonlySet<number>): void {
    const found = new Map(points.map((point) => [point.point, JSON.stringify(point)]));
    for (const point of mayBeGone) {
      if (found.has(point)) continue;
      this.#told.delete(point);
      this.#copies.delete(point);
      this.#acknowledged.delete(point);
    }
    const promised = [...new Set([...this.#told.keys(), ...this.#acknowledged])];
    const lost = promised.filter((point) => !found.has(point));
    if (lost.length > 0) {
      throw new Broken(`${what}: points ${lost.join(', ')} are gone`, { lost: lost.length });
    }
    const altered = [...this.#told].filter(([point, told]) => found.get(point) !== told);
    if (altered.length > 0) {
      const which = altered.map(([point]) => point).join(', ');
      throw new Broken(`${what}: points ${which} were altered`, { wrong: altered.length });
    }
  }

  #chosen(
    read: JudgeOptions['read'],
    { fresh, older }: { readonly fresh: readonly number[]; readonly older: readonly number[] },
  ): Iterable<number> {
    if (read === 'none') return [];
    if (read === 'all') return [...fresh, ...older];
    const chosen = new Set([...fresh, ...older.slice(-NEWEST_READ)]);
    for (let n = 0; n < OLDER_READ && older.length > 0; n += 1)
      chosen.add(this.#random.pick(older));
    return chosen;
  }

  get #rootName(): string {
    return path.basename(this.#root);
  }
}

/** What the base copy has of a tree: names, kinds, contents and targets. */
function plainOf(description: Description): Description {
  const plain: Description = {};
  for (const [name, entry] of Object.entries(description)) {
    if (!['file', 'folder', 'symlink'].includes(entry.kind)) continue;
    const rest = { mode: '', owner: '', mtimeNs: '', rdev: 0, xattrs: [] };
    plain[name] = { ...entry, ...rest };
  }
  return plain;
}
