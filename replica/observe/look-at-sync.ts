/**
 * Looks at a sync before it is applied, for what encryption does to files: pairs of what a file was
 * and what it is now, by its inode, its name, or a name made of it. `mass-change.ts` judges. Text that
 * stays text costs one read of 4 KiB a sampled file; only random bytes ask for more.
 */
import { toPathText } from '../../shared/path-text.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { entryAt, joinPath, namesAt, pathAt } from '../index/nodes.js';
import type { Classified } from './classify-bytes.js';
import { endingOf, EndingTally, noteOf } from './name-signs.js';
import type { Sampled, SyncSigns } from './mass-change.js';
import {
  classifyNew,
  classifyOld,
  fileBefore,
  sampleEntries,
  sampleNodes,
  seededRandom,
  shownBlocks,
  type SyncUnderWay,
} from './sync-samples.js';

export interface LookOptions {
  readonly sync: { readonly incarnation: string; readonly number: number };
  /** Random files of earlier syncs wait for what vanishes. */
  readonly isWaiting: boolean;
  readonly slice?: TimeSlice;
}

const EXAMPLES = 8;
const NO_NAME = Buffer.alloc(0);
const LARGE_BYTES = 1024 * 1024;
const BLOCKS_OF_LARGE = 5;
const NOTHING: Sampled = { hits: 0, sampled: 0, population: 0 };

/** Undefined when there is nothing to compare with. */
export async function lookAtSync(
  sync: SyncUnderWay,
  options: LookOptions,
): Promise<SyncSigns | undefined> {
  const point = sync.index.get<{ files: number; bytes: number }>(
    'SELECT files, bytes FROM point WHERE point = ?',
    sync.parentPoint,
  );
  if (point === undefined) return undefined;
  return new Look(sync, options).run(point);
}

class Look {
  readonly #sync: SyncUnderWay;
  readonly #options: LookOptions;
  readonly #slice: TimeSlice;
  readonly #random: () => number;
  readonly #newestKnown: number;
  readonly #endings = new EndingTally();
  readonly #examples: Buffer[] = [];
  #turned = 0;
  #stirred = 0;
  #turnedBytes = 0;

  constructor(sync: SyncUnderWay, options: LookOptions) {
    this.#sync = sync;
    this.#options = options;
    this.#slice = options.slice ?? new TimeSlice();
    this.#random = seededRandom(options.sync.number);
    this.#newestKnown =
      sync.index.get<{ id: number | null }>('SELECT max(id) AS id FROM node')?.id ?? 0;
  }

  async run(point: { readonly files: number; readonly bytes: number }): Promise<SyncSigns> {
    const means = { random: this.#random, slice: this.#slice };
    const known = { after: 0, upTo: this.#newestKnown };
    const existing = await sampleNodes(this.#sync, known, means);
    for (const node of existing.ids) await this.#existing(node);
    const turnedHere = this.#turned;
    const stirredHere = this.#stirred;

    const fresh = { after: this.#newestKnown, upTo: Number.MAX_SAFE_INTEGER };
    const born = await sampleNodes(this.#sync, fresh, means);
    const apart: number[] = [];
    const packed = { hits: 0, kinds: new Set<string>() };
    for (const node of born.ids) await this.#born(node, { apart, packed });
    const turnedBorn = this.#turned - turnedHere;

    const isWorthNames = this.#turned + this.#stirred + apart.length > 0;
    const moved = this.#moved();
    const vanished =
      apart.length > 0 || this.#options.isWaiting ? await this.#vanished() : emptyVanished;
    const sampledBorn = { sampled: born.ids.length, population: born.population };
    const sampledHere = { sampled: existing.ids.length, population: existing.population };
    const { incarnation, number } = this.#options.sync;
    return {
      sync: `${incarnation}/${number}`,
      parentPoint: this.#sync.parentPoint,
      files: point.files,
      turned: bothOf({ hits: turnedHere, ...sampledHere }, { hits: turnedBorn, ...sampledBorn }),
      stirred: bothOf(
        { hits: stirredHere, ...sampledHere },
        { hits: this.#stirred - stirredHere, ...sampledBorn },
      ),
      appeared: { hits: apart.length, ...sampledBorn, sizes: apart },
      vanished,
      packed: { hits: packed.hits, ...sampledBorn, kinds: [...packed.kinds] },
      ending: this.#endings.best({ ...moved, others: sampledBorn }),
      note: isWorthNames || vanished.hits > 0 ? noteOf(this.#sync, this.#newestKnown) : undefined,
      turnedShare: point.bytes > 0 ? Math.min(1, this.#turnedBytes / point.bytes) : 0,
      examples: this.#examples.map(toPathText),
    };
  }

  /** A file whose content changed under its inode. */
  async #existing(node: number): Promise<void> {
    await this.#slice.breathe();
    const before = fileBefore(this.#sync, node);
    if (before === undefined) return;
    const blocks = shownBlocks(this.#sync, node, before.size >= LARGE_BYTES ? BLOCKS_OF_LARGE : 1);
    const path = (): Buffer | undefined => pathAt(this.#sync.index, node, this.#sync.parentPoint);
    const result = await this.#compare(blocks, { node, sameBlocks: true });
    if (result === undefined) return;
    this.#note(result, path());
    if (result === 'turned' && before.size >= LARGE_BYTES && blocks.length >= 3) {
      this.#turnedBytes += before.size;
    }
  }

  /** What blocks that changed say: all of them random, where the first could be read. */
  async #compare(
    blocks: ReturnType<typeof shownBlocks>,
    old: { readonly node: number; readonly sameBlocks: boolean },
  ): Promise<'turned' | 'stirred' | undefined> {
    const [first] = blocks;
    if (first === undefined) return undefined;
    const now = classifyNew(this.#sync, first);
    if (now === undefined || !isUnreadable(now)) return undefined;
    for (const block of blocks.slice(1)) {
      const other = classifyNew(this.#sync, block);
      if (other !== undefined && !isUnreadable(other)) return undefined;
    }
    const at = old.sameBlocks ? { block: first.block, mask: first.mask } : { block: 0 };
    const was = await classifyOld(this.#sync, old.node, at);
    if (was === undefined || !wasReadable(was)) return undefined;
    if (now.bytes === 'partly') {
      return was.entropyBits + 1.5 <= now.entropyBits ? 'stirred' : undefined;
    }
    return 'turned';
  }

  /** A file that is new: whose name, or a name that its own is made of, a readable file had before. */
  async #born(
    node: number,
    tally: { apart: number[]; packed: { hits: number; kinds: Set<string> } },
  ): Promise<void> {
    await this.#slice.breathe();
    const { intent, index, parentPoint } = this.#sync;
    const blocks = shownBlocks(this.#sync, node, 2);
    const [first] = blocks;
    const now = first === undefined ? undefined : classifyNew(this.#sync, first);
    if (now === undefined || !(isUnreadable(now) || isPacked(now, NO_NAME))) return;
    const entry = intent.get<{ parent: number; name: Buffer }>(
      'SELECT parent, name FROM entry WHERE node = ? LIMIT 1',
      node,
    );
    if (entry === undefined) return;
    const isArchive = isPacked(now, entry.name);
    const origin = this.#originOf(entry);
    if (isArchive) {
      if (origin === undefined || !origin.isGone) return;
      tally.packed.hits += 1;
      tally.packed.kinds.add(endingOf(origin.name));
      return;
    }
    if (origin !== undefined) {
      const result = await this.#compare(blocks, { node: origin.node, sameBlocks: false });
      // A name that is still there may go with the next sync: until then it is a file beside another.
      if (result !== undefined && origin.isGone) {
        const folder = pathAt(index, entry.parent, parentPoint);
        const parts = folder === undefined || folder.length === 0 ? [] : [folder];
        this.#note(result, joinPath([...parts, entry.name]));
        if (!origin.name.equals(entry.name)) this.#endings.add(origin.name, entry);
        return;
      }
      if (result === undefined && origin.name.equals(entry.name)) return;
    }
    const size = intent.get<{ size: number }>('SELECT size FROM node WHERE id = ?', node)?.size;
    if (size !== undefined && now.bytes === 'random') tally.apart.push(size);
  }

  /** Whose place a new name took: its own before, or what is left of it without an ending or two. */
  #originOf({
    parent,
    name,
  }: {
    readonly parent: number;
    readonly name: Buffer;
  }): { readonly node: number; readonly name: Buffer; readonly isGone: boolean } | undefined {
    const { index, intent, parentPoint } = this.#sync;
    let candidate = name;
    for (let endings = 0; endings <= 4 && candidate.length > 0; endings += 1) {
      const old = entryAt(index, { parent, name: candidate, point: parentPoint });
      if (old !== undefined && fileBefore(this.#sync, old.node) !== undefined) {
        const word = intent.get<{ node: number }>(
          'SELECT node FROM entry WHERE parent = ? AND name = ?',
          parent,
          candidate,
        );
        const isGone = word !== undefined && word.node !== old.node;
        return { node: old.node, name: candidate, isGone };
      }
      const dot = Math.max(candidate.lastIndexOf(0x2e), candidate.lastIndexOf(0x5f));
      if (dot <= 0) return undefined;
      candidate = candidate.subarray(0, dot);
    }
    return undefined;
  }

  /** Files that only got other names. */
  #moved(): Sampled {
    const { index, parentPoint } = this.#sync;
    const range = { from: 1, upTo: this.#newestKnown };
    const { entries, population } = sampleEntries(this.#sync, range, this.#random);
    let hits = 0;
    for (const { parent, name, node } of entries) {
      const [old] = namesAt(index, node, parentPoint);
      if (old === undefined || old.name.equals(name)) continue;
      if (fileBefore(this.#sync, node) === undefined) continue;
      hits += 1;
      this.#endings.add(old.name, { parent, name });
    }
    return { hits, sampled: entries.length, population };
  }

  /** Files that could be read and have no name any more. */
  async #vanished(): Promise<SyncSigns['vanished']> {
    const { index, intent, parentPoint } = this.#sync;
    const removed = sampleEntries(this.#sync, { from: 0, upTo: 0 }, this.#random);
    const sizes: number[] = [];
    for (const { parent, name } of removed.entries) {
      await this.#slice.breathe();
      const old = entryAt(index, { parent, name, point: parentPoint });
      const before = old === undefined ? undefined : fileBefore(this.#sync, old.node);
      if (before === undefined || before.size === 0) continue;
      if (intent.get('SELECT 1 FROM entry WHERE node = ? LIMIT 1', before.id) !== undefined)
        continue;
      const was = await classifyOld(this.#sync, before.id, { block: 0 });
      if (was !== undefined && wasReadable(was)) sizes.push(before.size);
    }
    const { population } = removed;
    return { hits: sizes.length, sampled: removed.entries.length, population, sizes };
  }

  #note(result: 'turned' | 'stirred', path: Buffer | undefined): void {
    if (result === 'turned') this.#turned += 1;
    else this.#stirred += 1;
    if (path !== undefined && this.#examples.length < EXAMPLES) this.#examples.push(path);
  }
}

const emptyVanished = { ...NOTHING, sizes: [] };

/** Encrypted as far as one can tell: random, or said to be by its own header. */
function isUnreadable({ bytes, header }: Classified): boolean {
  if (header !== undefined) return header.family === 'sealed';
  return bytes === 'random' || bytes === 'partly';
}

/** Somebody could read it: text, tables, or compressed with the header of its kind. */
function wasReadable({ bytes, header }: Classified): boolean {
  if (header !== undefined) return header.family !== 'sealed';
  return bytes === 'readable';
}

/** Compressed: by its header, or by its name where the compressor writes none. */
function isPacked({ bytes, header }: Classified, name: Buffer): boolean {
  if (header !== undefined) return header.family === 'archive' && bytes !== 'readable';
  return bytes === 'random' && endingOf(name) === 'br';
}

/** Two samples of one sync as one: what was found, and out of how many. */
function bothOf(a: Sampled, b: Sampled): Sampled {
  const scale = ({ sampled, population }: Sampled): number =>
    sampled === 0 ? 1 : population / sampled;
  if (a.hits === 0) return b;
  if (b.hits === 0) return a;
  const factor = Math.max(scale(a), scale(b));
  const sampled = a.sampled + b.sampled;
  return { hits: a.hits + b.hits, sampled, population: sampled * factor };
}
