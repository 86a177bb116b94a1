/** A set with one file that every sync patches in place, so that packs fill; points go from it at random. */
import { rewritePacks, type RewriteDeps } from '../../../../replica/history/packs-rewrite.js';
import { prunePoints } from '../../../../replica/retain/prune-points.js';
import { silentLog } from '../../../../shared/log.js';
import { SET_NODE, type SyncRecord } from '../../../../shared/protocol/records.js';
import { differences, type FullCopy, readPoint } from '../../../model/full-copy.js';
import type { OpenSet } from '../../../model/open-set.js';
import { Seeded } from '../../../support/seeded.js';
import { core, fileRecords, nodeRecord, SmallSet } from '../../support/small-set.js';

const NODE = 500;
const BLOCKS = 16;
const BLOCK_BYTES = 65_536;
const PAGE_BYTES = 4096;

export class PatchedSet {
  readonly random: Seeded;
  readonly live = new Map<number, FullCopy>();
  readonly #small: SmallSet;
  readonly #content: Buffer;

  private constructor(small: SmallSet, seed: number) {
    this.#small = small;
    this.random = new Seeded(seed);
    this.#content = this.random.bytes(BLOCKS * BLOCK_BYTES);
  }

  /** One point with the file as it is at first. */
  static async begin(seed: number): Promise<PatchedSet> {
    const set = new PatchedSet(await SmallSet.create(), seed);
    const content = Buffer.from(set.#content);
    await set.#commit(fileRecords({ node: NODE, parent: SET_NODE, name: 'big', content }));
    return set;
  }

  /** Syncs over several packs, of whose records most are named no more. */
  static async create(seed: number): Promise<PatchedSet> {
    const set = await PatchedSet.begin(seed);
    for (let pack = 0; pack < 4; pack += 1) {
      for (let sync = 0; sync < 3; sync += 1) await set.sync();
      set.open.store.packs.roll();
    }
    await set.sync();
    const kept = new Set([...set.live.keys()].filter((_, at) => at % 5 === 1));
    await set.prune([...set.live.keys()].filter((point) => !kept.has(point)).slice(0, -1));
    return set;
  }

  get open(): OpenSet {
    return this.#small.open;
  }
  get folder(): string {
    return this.#small.folder;
  }

  /** Patches some blocks of the file in place. */
  async sync(): Promise<void> {
    const size = this.#content.length;
    const records: SyncRecord[] = [nodeRecord({ node: NODE, size, body: 'keep' })];
    for (let block = 0; block < BLOCKS; block += 1) {
      if (!this.random.chance(0.4)) continue;
      const bytes = this.#content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      const pages = this.random.chance(0.5) ? 16 : this.random.below(3) + 1;
      for (let page = 0; page < pages; page += 1) {
        const at = pages === 16 ? page : this.random.below(16);
        this.random.bytes(PAGE_BYTES).copy(bytes, at * PAGE_BYTES);
      }
      records.push({ type: 'block', node: NODE, block, digest: core.digest(bytes), bytes });
    }
    await this.#commit(records);
  }

  async prune(points: readonly number[]): Promise<void> {
    const { writer, store } = this.open;
    const reason = { policy: 'test', by: 'test', timeMs: 1 };
    await writer.exclusively(() => prunePoints(store, { points, reason }));
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
  async wrongPoints(set: OpenSet = this.open): Promise<string[]> {
    const wrong: string[] = [];
    for (const [point, copy] of this.live) {
      const found = await readPoint(set.store, point);
      wrong.push(...differences(found, copy).map((line) => `point ${point}: ${line}`));
    }
    return wrong;
  }

  async reopen(): Promise<void> {
    await this.#small.reopen();
  }

  async close(): Promise<void> {
    await this.#small.close();
  }

  async #commit(records: readonly SyncRecord[]): Promise<void> {
    await this.#small.commit(records);
    const copy = this.#small.copies.at(-1);
    if (copy?.get('big')?.content.equals(this.#content) !== true) throw new Error('a bad point');
    this.live.set(this.#small.point, copy);
  }
}
