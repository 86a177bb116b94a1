/**
 * The records an agent would send for what became of a tree, round by round: each block is said in one
 * of the ways there are, by chance.
 */
import type { HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES, blockCount, blockLength, PAGE_BYTES } from '../../shared/limits.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import { encodeRecord, type SyncRecord } from '../../shared/protocol/records.js';
import type { SyncOutcome } from '../../shared/protocol/sync-outcome.js';
import { Seeded } from '../support/seeded.js';
import type { ModelNode, Tree } from './tree.js';

export interface SyncStart {
  readonly sync: number;
  readonly point: number;
  readonly chain: Buffer;
}

export function beginRecord({ sync, point, chain }: SyncStart): SyncRecord {
  return {
    type: 'begin',
    sync,
    parentPoint: point,
    parentChain: chain,
    incarnation: Buffer.alloc(16, 7),
    startedMs: 1,
  };
}

export function endRecord(sync: number): SyncRecord {
  return { type: 'end', sync, outcome: Buffer.from(JSON.stringify(outcome())) };
}

export function outcome(): SyncOutcome {
  return {
    consistency: 'crash',
    recipe: 'none',
    heldMs: 0,
    imageMs: 1,
    rounds: 1,
    engine: 'rounds',
    scanAgeMs: 0,
    journal: { from: 0, to: 0 },
    operation: 'manual',
    reconciled: false,
    movedWhileHeld: [],
    unreadable: [],
    notCarried: [],
    applications: [],
    source: { host: 'model', roots: {} },
    counts: { filesChanged: 0, bytesRead: 0, bytesSent: 0 },
  };
}

type Word = 'keep' | 'new';

/** A block that has to be said, and what is known of it so far. */
interface BlockToSay {
  readonly node: number;
  readonly block: number;
  readonly bytes: Buffer;
  /** As the round before left it; empty when the file ended before. */
  readonly old: Buffer;
  /** The file at the parent point, if it was there. */
  readonly parent: Buffer | undefined;
  readonly word: Word;
}

export class SyncRecords {
  readonly #core: HashCore;
  readonly #parent: Tree;
  readonly #salt: number;
  readonly #words = new Map<number, Word>();
  #before: Tree;
  #round = 0;

  /** Equal salts say equal changes in equal ways. */
  constructor(core: HashCore, parent: Tree, salt: number) {
    this.#core = core;
    this.#parent = parent;
    this.#before = parent;
    this.#salt = salt;
  }

  /**
   * What became of the tree since the round before.
   * @param known blocks, by digest in hex, of which the replica said that it has them
   */
  round(now: Tree, known: ReadonlySet<string>): SyncRecord[] {
    this.#round += 1;
    const records: SyncRecord[] = [];
    for (const node of [...now.nodes.values()].sort((a, b) => a.id - b.id))
      this.#nodeRecords(node, known, records);
    this.#entryRecords(now, records);
    this.#before = now;
    return records;
  }

  #nodeRecords(node: ModelNode, known: ReadonlySet<string>, records: SyncRecord[]): void {
    const before = this.#before.nodes.get(node.id);
    const parent = this.#parent.nodes.get(node.id);
    const same =
      before?.mode === node.mode &&
      before.mtimeNs === node.mtimeNs &&
      before.content.equals(node.content);
    if (same) return;
    const random = new Seeded(this.#salt * 7919 + node.id * 31 + this.#round);
    const word = this.#word(node, parent, random);
    records.push({
      type: 'node',
      node: node.id,
      kind: node.kind,
      mode: node.mode,
      uid: node.uid,
      gid: node.gid,
      size: node.content.length,
      mtimeNs: node.mtimeNs,
      rdev: 0,
      target: node.target,
      xattrs: node.xattrs,
      body: node.kind === 'file' ? word : 'none',
    });
    if (node.kind !== 'file') return;
    const first = word === 'new' && !this.#words.has(node.id);
    this.#words.set(node.id, word);
    const say = new BlockSayer(this.#core, { random, known, records });
    for (let block = 0; block < blockCount(node.content.length); block += 1) {
      const bytes = blockOf(node.content, block);
      const old = before === undefined || first ? nothing : blockOf(before.content, block);
      if (!first && old.equals(bytes)) continue;
      say.block({ node: node.id, block, bytes, old, parent: parent?.content, word });
    }
    say.end();
  }

  #word(node: ModelNode, parent: ModelNode | undefined, random: Seeded): Word {
    const chosen = this.#words.get(node.id);
    if (chosen !== undefined) return chosen;
    return parent === undefined || random.chance(0.25) ? 'new' : 'keep';
  }

  #entryRecords(now: Tree, records: SyncRecord[]): void {
    for (const folder of new Set([...now.entries.keys(), ...this.#before.entries.keys()])) {
      const names = now.entries.get(folder) ?? new Map<string, number>();
      const before = this.#before.entries.get(folder) ?? new Map<string, number>();
      for (const name of before.keys()) {
        if (!names.has(name))
          records.push({ type: 'unlink', parent: folder, name: Buffer.from(name, 'latin1') });
      }
      for (const [name, node] of names) {
        if (before.get(name) !== node)
          records.push({ type: 'link', parent: folder, name: Buffer.from(name, 'latin1'), node });
      }
    }
  }
}

const nothing = Buffer.alloc(0);

function blockOf(content: Buffer, block: number): Buffer {
  const start = block * BLOCK_BYTES;
  return content.subarray(start, start + blockLength(content.length, block));
}

/** Says blocks of one file, runs of alike ones together. */
class BlockSayer {
  readonly #core: HashCore;
  readonly #to: { random: Seeded; known: ReadonlySet<string>; records: SyncRecord[] };
  #run: { type: 'zero' | 'same'; node: number; block: number; count: number } | undefined;

  constructor(
    core: HashCore,
    to: { random: Seeded; known: ReadonlySet<string>; records: SyncRecord[] },
  ) {
    this.#core = core;
    this.#to = to;
  }

  block(at: BlockToSay): void {
    const { random, known, records } = this.#to;
    const { node, block, bytes } = at;
    const before = at.parent === undefined ? nothing : blockOf(at.parent, block);
    if (at.word === 'new' && before.equals(bytes) && !random.chance(0.1)) {
      this.#inRun('same', node, block);
      return;
    }
    if (this.#core.isZero(bytes) && !random.chance(0.1)) {
      this.#inRun('zero', node, block);
      return;
    }
    this.end();
    const digest = this.#core.digest(bytes);
    const place = { node, block, digest };
    if (known.has(digest.toString('hex')) && random.chance(0.7))
      records.push({ type: 'copy', ...place, length: bytes.length });
    else if (at.old.length > 0 && !random.chance(0.3))
      records.push(pagesRecord({ ...place, bytes, old: at.old }));
    else if (before.length > 0 && random.chance(0.3)) records.push(splice(place, at, before));
    else records.push({ type: 'block', ...place, bytes });
  }

  #inRun(type: 'zero' | 'same', node: number, block: number): void {
    const run = this.#run;
    if (run?.type === type && run.block + run.count === block) {
      run.count += 1;
      return;
    }
    this.end();
    this.#run = { type, node, block, count: 1 };
  }

  end(): void {
    if (this.#run !== undefined) this.#to.records.push(this.#run);
    this.#run = undefined;
  }
}

/** Begins as the parent point's block does, ends literally. */
function splice(
  place: { node: number; block: number; digest: Buffer },
  { bytes }: BlockToSay,
  before: Buffer,
): SyncRecord {
  let length = 0;
  while (length < bytes.length && bytes[length] === before[length]) length += 1;
  const offset = place.block * BLOCK_BYTES;
  const segments = [
    ...(length === 0 ? [] : [{ type: 'old', offset, length } as const]),
    ...(length === bytes.length
      ? []
      : [{ type: 'literal', bytes: bytes.subarray(length) } as const]),
  ];
  return { type: 'splice', ...place, length: bytes.length, source: place.node, segments };
}

/** The pages in which a block differs from what it was. */
export function pagesRecord(at: {
  node: number;
  block: number;
  digest: Buffer;
  bytes: Buffer;
  old: Buffer;
}): SyncRecord {
  let mask = 0;
  const parts: Buffer[] = [];
  for (let page = 0; page * PAGE_BYTES < at.bytes.length; page += 1) {
    const start = page * PAGE_BYTES;
    const piece = at.bytes.subarray(start, start + PAGE_BYTES);
    if (piece.equals(at.old.subarray(start, start + PAGE_BYTES))) continue;
    mask |= 1 << page;
    parts.push(piece);
  }
  return {
    type: 'pages',
    node: at.node,
    block: at.block,
    digest: at.digest,
    length: at.bytes.length,
    mask,
    bytes: Buffer.concat(parts),
  };
}

/** Frames of records, each ended past a number of bytes. */
export function toFrames(records: readonly SyncRecord[], frameBytes = 200_000): Buffer[] {
  const frames: Buffer[] = [];
  const writer = new ByteWriter();
  for (const record of records) {
    encodeRecord(writer, record);
    if (writer.length > frameBytes) {
      frames.push(writer.copy());
      writer.reset();
    }
  }
  if (writer.length > 0) frames.push(writer.copy());
  return frames;
}

/** Digests of all blocks of a tree's files. */
export function blockDigests(core: HashCore, tree: Tree): Buffer[] {
  const digests: Buffer[] = [];
  for (const { content } of tree.nodes.values())
    for (let block = 0; block < blockCount(content.length); block += 1)
      digests.push(core.digest(blockOf(content, block)));
  return digests;
}
