/**
 * The syncs that are played to a set whose power is cut: those of the model, with a file that is
 * patched in most of them, and now and then one so large that frames are made durable before the
 * sync ends. The same seed makes the same syncs.
 */
import type { HashCore } from '../../../shared/hash/hash-core.js';
import { BLOCK_BYTES, PAGE_BYTES } from '../../../shared/limits.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import type { FullCopy } from '../../model/full-copy.js';
import { ModelHistory } from '../../model/history.js';
import { beginRecord, endRecord, pagesRecord, toFrames } from '../../model/sync-records.js';
import { blockRecords, link, nodeRecord } from '../../replica/support/small-set.js';
import { Seeded } from '../../support/seeded.js';

/** The agent process that sends them. */
export const BOOT = 'b'.repeat(32);

const LARGE_EVERY = 6;
/** More than is received between two flushes. */
const LARGE_BYTES = 14 * 1024 * 1024;
const PATCHED_BYTES = 2 * 1024 * 1024;
const PATCHES_MAX = 40;
/** Above all numbers of the model. */
const Nodes = { large: 50_000_000, patched: 50_000_001 } as const;

export interface PlannedSync {
  /** What the point must read back as. */
  readonly copy: FullCopy;
  /** Numbers of its frames count on from here. */
  readonly from: number;
  /** For a set whose newest point has this chain. */
  frames(chain: Buffer): Buffer[];
}

/** The n-th is the one that becomes point n + 1. */
export function planSyncs(
  seed: number,
  { count, core }: { readonly count: number; readonly core: HashCore },
): PlannedSync[] {
  const author = new SyncAuthor(new Seeded(seed), core);
  const syncs: PlannedSync[] = [];
  let from = 1;
  for (let sync = 1; sync <= count; sync += 1) {
    const records = author.next(sync);
    const frames = (chain: Buffer): Buffer[] =>
      toFrames(
        records.map((record) =>
          record.type === 'begin' ? { ...record, parentChain: chain } : record,
        ),
      );
    syncs.push({ copy: author.copy(), from, frames });
    from += frames(Buffer.alloc(32)).length;
  }
  return syncs;
}

class SyncAuthor {
  readonly #random: Seeded;
  readonly #core: HashCore;
  readonly #model: ModelHistory;
  readonly #files = new Map<keyof typeof Nodes, Buffer>();

  constructor(random: Seeded, core: HashCore) {
    this.#random = random;
    this.#core = core;
    this.#model = new ModelHistory(random.below(1_000_000));
  }

  next(sync: number): SyncRecord[] {
    if (sync % LARGE_EVERY === 0)
      return framed(sync, this.#newFile('large', LARGE_BYTES + this.#random.below(100_000)));
    // A few changes are flushed file by file, many all at once.
    const records = this.#model.change(1 + this.#random.below(this.#random.chance(0.5) ? 10 : 60));
    const own = this.#files.has('patched')
      ? this.#patch()
      : this.#newFile('patched', PATCHED_BYTES);
    return framed(sync, [...records, ...own]);
  }

  copy(): FullCopy {
    const { kind, mode, uid, gid, rdev, mtimeNs } = nodeRecord({ node: 0 });
    const copy: FullCopy = new Map(this.#model.copies.at(-1));
    const same = { kind, mode, uid, gid, rdev, mtimeNs, target: '', xattrs: '' };
    for (const [name, content] of this.#files)
      copy.set(name, { ...same, node: Nodes[name], content });
    return copy;
  }

  #newFile(name: keyof typeof Nodes, length: number): SyncRecord[] {
    const node = Nodes[name];
    const content = this.#random.bytes(length);
    this.#files.set(name, content);
    return [
      nodeRecord({ node, size: length }),
      ...blockRecords(node, content),
      link(SET_NODE, name, node),
    ];
  }

  /** Some pages of the file change where they are. */
  #patch(): SyncRecord[] {
    const old = this.#files.get('patched') ?? Buffer.alloc(PATCHED_BYTES);
    const content = Buffer.from(old);
    const touched = new Set<number>();
    for (let n = this.#random.below(PATCHES_MAX); n >= 0; n -= 1) {
      const page = this.#random.below(PATCHED_BYTES / PAGE_BYTES);
      this.#random.bytes(PAGE_BYTES).copy(content, page * PAGE_BYTES);
      touched.add(Math.floor((page * PAGE_BYTES) / BLOCK_BYTES));
    }
    this.#files.set('patched', content);
    const node = Nodes.patched;
    const patches = [...touched].map((block) => {
      const [bytes, before] = [content, old].map((all) =>
        all.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES),
      ) as [Buffer, Buffer];
      return pagesRecord({ node, block, digest: this.#core.digest(bytes), bytes, old: before });
    });
    return [nodeRecord({ node, size: PATCHED_BYTES, body: 'keep' }), ...patches];
  }
}

function framed(sync: number, records: readonly SyncRecord[]): SyncRecord[] {
  const begin = beginRecord({ sync, point: sync - 1, chain: Buffer.alloc(32) });
  return [begin, ...records, endRecord(sync)];
}
