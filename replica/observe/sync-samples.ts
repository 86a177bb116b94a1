/**
 * Samples of a sync under way, out of its intent and of the point that it builds on: nodes whose
 * content it gives, names it removes or moves, and what a file's bytes are now and were before. Every
 * look is bounded, whatever the size of the sync.
 */
import fs from 'node:fs';
import { readFully } from '../history/read-block.js';
import type { IndexDb } from '../index/index-db.js';
import { nodeAt, type NodeRow } from '../index/nodes.js';
import { errnoOf } from '../../shared/errors.js';
import { nodeKinds } from '../../shared/protocol/records.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { NewFiles } from '../stage/new-files.js';
import type { PagesFile } from '../stage/pages-file.js';
import type { ParentState } from '../stage/parent-state.js';
import { ALL_PAGES, type StagedBlock } from '../stage/staged-block.js';
import { takePages } from '../stage/staged-content.js';
import { type Classified, classifyBytes } from './classify-bytes.js';

/** What a look at a sync needs of it; nothing of it may change meanwhile. */
export interface SyncUnderWay {
  readonly intent: IndexDb;
  readonly index: IndexDb;
  readonly newFiles: NewFiles;
  readonly pages: PagesFile;
  readonly parent: ParentState;
  readonly parentPoint: number;
}

export interface SampledNodes {
  readonly ids: readonly number[];
  readonly population: number;
}

/** Nodes that are looked at one by one; of more than these a sample is taken. */
export const SAMPLE_NODES = 128;
const COUNTED_MAX = 20_000;
const ENTRIES_COUNTED_MAX = 4_096;
const PROBE_BYTES = 4096;
const FILE = nodeKinds.indexOf('file');

/** A generator of numbers in [0, 1) that a sync always gets the same of (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Nodes of `(after, upTo]` that the sync gives content: each as likely as the others. */
export async function sampleNodes(
  { intent }: SyncUnderWay,
  range: { readonly after: number; readonly upTo: number },
  { random, slice }: { readonly random: () => number; readonly slice: TimeSlice },
): Promise<SampledNodes> {
  const ids: number[] = [];
  let population = 0;
  for (
    let next = nextWithContent(intent, range.after);
    next !== undefined && next <= range.upTo;
    next = nextWithContent(intent, next)
  ) {
    population += 1;
    if (ids.length < SAMPLE_NODES) ids.push(next);
    else {
      const place = Math.floor(random() * population);
      if (place < SAMPLE_NODES) ids[place] = next;
    }
    if (population >= COUNTED_MAX) return probeNodes(intent, range, random);
    await slice.breathe();
  }
  return { ids, population };
}

/** Of very many: those next to numbers drawn. How many there are is known by their numbers alone. */
function probeNodes(
  intent: IndexDb,
  { after, upTo }: { readonly after: number; readonly upTo: number },
  random: () => number,
): SampledNodes {
  const last = Math.min(upTo, newestWithContent(intent));
  const ids = new Set<number>();
  for (let draw = 0; draw < SAMPLE_NODES * 2 && ids.size < SAMPLE_NODES; draw += 1) {
    const found = nextWithContent(intent, after + Math.floor(random() * (last - after)));
    if (found !== undefined && found <= upTo) ids.add(found);
  }
  return { ids: [...ids], population: COUNTED_MAX };
}

function nextWithContent(intent: IndexDb, after: number): number | undefined {
  return intent.get<{ node: number }>(
    'SELECT node FROM block WHERE node > ? ORDER BY node LIMIT 1',
    after,
  )?.node;
}

function newestWithContent(intent: IndexDb): number {
  return intent.get<{ node: number | null }>('SELECT max(node) AS node FROM block')?.node ?? 0;
}

export interface EntrySample {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
}

/** Names that the sync gives to nodes of `[from, upTo]` (0 to 0: removes), a sample of the first many. */
export function sampleEntries(
  { intent }: SyncUnderWay,
  range: { readonly from: number; readonly upTo: number },
  random: () => number,
): { readonly entries: readonly EntrySample[]; readonly population: number } {
  const { population = 0 } =
    intent.get<{ population: number }>(
      'SELECT count(*) AS population FROM (SELECT 1 FROM entry WHERE node BETWEEN ? AND ? LIMIT ?)',
      range.from,
      range.upTo,
      ENTRIES_COUNTED_MAX,
    ) ?? {};
  const step = Math.max(1, population / SAMPLE_NODES);
  const entries: EntrySample[] = [];
  const statement = `SELECT parent, name, node FROM entry WHERE node BETWEEN ? AND ?
    ORDER BY node, parent, name LIMIT 1 OFFSET ?`;
  if (step === 1) {
    const all = `SELECT parent, name, node FROM entry WHERE node BETWEEN ? AND ? LIMIT ?`;
    entries.push(...intent.all<EntrySample>(all, range.from, range.upTo, SAMPLE_NODES));
    return { entries, population };
  }
  for (let at = 0; at < SAMPLE_NODES; at += 1) {
    const offset = Math.min(population - 1, Math.floor((at + random()) * step));
    const entry = intent.get<EntrySample>(statement, range.from, range.upTo, offset);
    if (entry !== undefined) entries.push(entry);
  }
  return { entries, population };
}

/** The file as the parent point has it; undefined for what is no file there. */
export function fileBefore(sync: SyncUnderWay, node: number): NodeRow | undefined {
  const row = nodeAt(sync.index, node, sync.parentPoint);
  return row?.kind === FILE ? row : undefined;
}

/** Blocks of a node that show what it became: its first changed one, and some of the others. */
export function shownBlocks({ intent }: SyncUnderWay, node: number, most: number): StagedBlock[] {
  const columns = 'node, block, digest, bytes, mask, offset, length';
  const at = (block: number): StagedBlock | undefined =>
    intent.get<StagedBlock>(
      `SELECT ${columns} FROM block WHERE node = ? AND block >= ? ORDER BY block LIMIT 1`,
      node,
      block,
    );
  const first = at(0);
  if (first === undefined) return [];
  const last = intent.get<{ block: number }>(
    'SELECT block FROM block WHERE node = ? ORDER BY block DESC LIMIT 1',
    node,
  );
  const span = (last?.block ?? first.block) - first.block;
  const blocks = [first];
  for (let step = 1; step < most && span > 0; step += 1) {
    const block = at(first.block + Math.round((span * step) / (most - 1)));
    if (block !== undefined && blocks.every((known) => known.block !== block.block)) {
      blocks.push(block);
    }
  }
  return blocks;
}

/** What a changed block is now. Random bytes are looked at whole, others by their first 4 KiB. */
export function classifyNew(sync: SyncUnderWay, block: StagedBlock): Classified | undefined {
  const start = block.block === 0 && (block.mask & 1) === 1;
  const probe = readNew(sync, block, PROBE_BYTES);
  if (probe === undefined) return undefined;
  const first = classifyBytes(probe, { start });
  const bytes = block.offset < 0 ? block.bytes : block.length;
  if (first.bytes !== 'random' || bytes <= PROBE_BYTES) return first;
  const whole = readNew(sync, block, bytes);
  return whole === undefined ? undefined : classifyBytes(whole, { start });
}

/** Undefined when the bytes are not there: nothing is made of that here. */
function readNew(
  { newFiles, pages }: SyncUnderWay,
  block: StagedBlock,
  most: number,
): Buffer | undefined {
  if (block.offset >= 0) {
    return block.length === 0 ? undefined : pages.read(block.offset, Math.min(most, block.length));
  }
  try {
    const fd = fs.openSync(
      newFiles.path(block.node),
      fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW,
    );
    try {
      const bytes = Buffer.allocUnsafe(Math.min(most, block.bytes));
      const read = readFully(fd, bytes, block.block * 65_536);
      return bytes.subarray(0, read);
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** What a block was in the parent point: the same pages as a changed one has; undefined without any. */
export async function classifyOld(
  { parent }: SyncUnderWay,
  node: number,
  at: { readonly block: number; readonly mask?: number },
): Promise<Classified | undefined> {
  const old = await parent.readBlock(node, at.block);
  if (old === undefined) return undefined;
  const mask = at.mask ?? ALL_PAGES;
  const bytes = mask === ALL_PAGES ? old.bytes : takePages(old.bytes, mask);
  return classifyBytes(bytes, { start: at.block === 0 && (mask & 1) === 1 });
}
