/** A set under random syncs of which points are removed, with a full copy of every point that stays. */
import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import { type PruneRequest, prunePoints } from '../../../../replica/retain/prune-points.js';
import { rewritePacks, type RewriteDeps } from '../../../../replica/history/packs-rewrite.js';
import { silentLog } from '../../../../shared/log.js';
import { Seeded } from '../../../support/seeded.js';
import { differences, type FullCopy, readPoint } from '../../../model/full-copy.js';
import { ModelHistory } from '../../../model/history.js';
import { openModelSet, type OpenSet, sendSync } from '../../../model/open-set.js';

const reason = { policy: 'test', by: 'test', timeMs: 1 };

/** What a process that dies now leaves behind. */
export function copyFolder(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to]);
}

export class RandomHistory {
  readonly random: Seeded;
  readonly live = new Map<number, FullCopy>();
  readonly #history: ModelHistory;
  readonly #folder: string;
  #open: OpenSet | undefined;

  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.random = new Seeded(seed * 7919);
    this.#history = new ModelHistory(seed);
  }

  get open(): OpenSet {
    if (this.#open === undefined) throw new Error('the set is not open');
    return this.#open;
  }

  get newest(): number {
    return Math.max(0, ...this.live.keys());
  }

  async reopen(): Promise<void> {
    await this.close();
    this.#open = await openModelSet(this.#folder);
  }

  async close(): Promise<void> {
    await this.#open?.close();
    this.#open = undefined;
  }

  async sync(): Promise<void> {
    const { writer } = this.open;
    const { point, chain } = writer.position();
    const frames = this.#history.next({ point, chain });
    const event = await sendSync(writer, { boot: String(point + 1), from: 1, frames });
    expect(event.type === 'refused' ? event.error.message : event.type).toBe('committed');
    const copy = this.#history.copies.at(-1);
    if (copy !== undefined) this.live.set(point + 1, copy);
  }

  async syncs(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) await this.sync();
  }

  /** Points other than the newest, each with this probability. */
  some(probability: number): number[] {
    return [...this.live.keys()].filter(
      (point) => point !== this.newest && this.random.chance(probability),
    );
  }

  async prune(points: readonly number[], more: Partial<PruneRequest> = {}): Promise<void> {
    const { writer, store } = this.open;
    const result = await writer.exclusively(() => prunePoints(store, { points, reason, ...more }));
    expect(result.removed).toEqual(points);
    for (const point of points) this.live.delete(point);
  }

  rewrite(more: Partial<RewriteDeps> = {}): ReturnType<typeof rewritePacks> {
    const { writer, store } = this.open;
    return rewritePacks({
      store,
      log: silentLog,
      exclusively: (work) => writer.exclusively(work),
      mayMove: () => writer.status.state === 'idle' || writer.status.state === 'receiving',
      bytesPerSecond: 1e9,
      signal: new AbortController().signal,
      rollBytesMin: 1,
      ...more,
    });
  }

  /** What is wrong with any point that stays, in this set or in one opened from a copy of its folder. */
  async wrongPoints(set: OpenSet = this.open, copies = this.live): Promise<string[]> {
    const wrong: string[] = [];
    for (const [point, copy] of copies) {
      const found = await readPoint(set.store, point);
      wrong.push(...differences(found, copy).map((line) => `point ${point}: ${line}`));
    }
    return wrong;
  }
}
