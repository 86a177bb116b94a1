/**
 * Stages content records: bytes into `new/<node>` or the pages file, a row for each block. What
 * comes as a whole block is checked against its digest here; pages are checked by sealing, when
 * what they are laid over is known.
 */
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { blockCount, BLOCK_BYTES, blockLength, PAGES_PER_BLOCK } from '../../shared/limits.js';
import type {
  BlockRecord,
  ContentRecord,
  CopyRecord,
  PagesRecord,
  SameRecord,
  SpliceRecord,
  ZeroRecord,
} from '../../shared/protocol/records.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { layPages } from '../history/read-block.js';
import type { KnownBlocks } from './known-blocks.js';
import type { NewFiles } from './new-files.js';
import type { PagesFile } from './pages-file.js';
import type { StagedRows } from './staged-rows.js';
import {
  ALL_PAGES,
  digestPrefix,
  IN_NEW_FILE,
  IS_NEW_FILE,
  type StagedBlock,
} from './staged-block.js';
import type { ParentState } from './parent-state.js';

const RUN_BLOCKS_MAX = 0xffff_ffff;

/** The node that content records speak of, as staged so far. */
export interface StagedNode {
  readonly id: number;
  readonly size: number;
  readonly bodyWord: 'none' | 'keep' | 'new';
  /** Nothing was said of its content yet, nor of the node before this record. */
  untouched: boolean;
}

export interface ContentDeps {
  readonly intent: IndexDb;
  readonly rows: StagedRows;
  readonly core: HashCore;
  readonly newFiles: NewFiles;
  readonly pages: PagesFile;
  readonly parent: ParentState;
  readonly known: KnownBlocks;
  readonly slice: TimeSlice;
}

export class StagedContent {
  readonly #deps: ContentDeps;

  constructor(deps: ContentDeps) {
    this.#deps = deps;
  }

  async stage(node: StagedNode, record: ContentRecord): Promise<void> {
    if (node.bodyWord === 'none') throw refused(`node ${node.id} is no file and has no content`);
    const { newFiles } = this.#deps;
    // Records of a few bytes can bring many blocks: they are written before more are read.
    if (record.type !== 'block' && (newFiles.isFull || newFiles.isPending(node.id)))
      await newFiles.settle();
    switch (record.type) {
      case 'block':
        this.#block(node, record);
        return;
      case 'pages':
        this.#pages(node, record);
        return;
      case 'zero':
        await this.#zero(node, record);
        return;
      case 'copy':
        await this.#copy(node, record);
        return;
      case 'same':
        await this.#same(node, record);
        return;
      case 'splice':
        await this.#splice(node, record);
    }
  }

  #block(node: StagedNode, record: BlockRecord): void {
    if (record.bytes.length === 0) throw refused('a block without bytes');
    if (!this.#deps.core.digest(record.bytes).equals(record.digest)) throw wrongDigest(record);
    this.#put(node, record, record.bytes);
  }

  /** Stores a whole block whose digest is known to be right. */
  #put(node: StagedNode, at: { block: number; digest: Uint8Array }, bytes: Uint8Array): void {
    const row = { node: node.id, block: at.block, digest: at.digest, bytes: bytes.length };
    if (node.bodyWord === 'new') {
      const whole = node.untouched && at.block === 0 && bytes.length === node.size;
      node.untouched = false;
      this.#deps.newFiles.put({ node: node.id, offset: at.block * BLOCK_BYTES, whole, bytes });
      const offset = whole ? IS_NEW_FILE : IN_NEW_FILE;
      this.#row({ ...row, mask: ALL_PAGES, offset, length: 0 });
      return;
    }
    const offset = this.#deps.pages.append(bytes);
    this.#row({ ...row, mask: ALL_PAGES, offset, length: bytes.length });
  }

  #row(row: Omit<StagedBlock, 'digest'> & { digest: Uint8Array }): void {
    this.#deps.rows.block.add(
      row.node,
      row.block,
      row.digest,
      digestPrefix(row.digest),
      row.bytes,
      row.mask,
      row.offset,
      row.length,
    );
  }

  #staged(node: number, block: number): StagedBlock | undefined {
    this.#deps.rows.flush();
    return this.#deps.intent.get<StagedBlock>(
      'SELECT node, block, digest, bytes, mask, offset, length FROM block WHERE node = ? AND block = ?',
      node,
      block,
    );
  }

  #pages(node: StagedNode, record: PagesRecord): void {
    const before = this.#staged(node.id, record.block);
    if (node.bodyWord === 'new') {
      this.#patchNew(node, record, before);
      return;
    }
    if (before === undefined) {
      const offset = this.#deps.pages.append(record.bytes);
      this.#row({ ...record, bytes: record.length, offset, length: record.bytes.length });
      return;
    }
    // A later round of the same sync: lay the new pages over those staged before.
    const merged = Buffer.alloc(BLOCK_BYTES);
    const old = this.#deps.pages.read(before.offset, before.length);
    layPages(merged, { pages: old, mask: before.mask, take: before.mask });
    layPages(merged, { pages: record.bytes, mask: record.mask, take: record.mask });
    const mask = before.mask | record.mask;
    const bytes = takePages(merged.subarray(0, record.length), mask);
    const offset = this.#deps.pages.append(bytes);
    this.#row({ ...record, bytes: record.length, mask, offset, length: bytes.length });
  }

  /** Pages over a block of a body being built: the block is whole already, and can be checked. */
  #patchNew(node: StagedNode, record: PagesRecord, before: StagedBlock | undefined): void {
    if (before === undefined && !inZeroRun(this.#deps.intent, node.id, record.block)) {
      throw refused(
        `pages for block ${record.block} of new node ${node.id}, which has no content yet`,
      );
    }
    const block = this.#deps.newFiles.read(node.id, { block: record.block, length: record.length });
    if (before !== undefined && before.bytes < record.length) block.fill(0, before.bytes);
    layPages(block, { pages: record.bytes, mask: record.mask, take: record.mask });
    if (!this.#deps.core.digest(block).equals(record.digest)) throw wrongDigest(record);
    this.#put(node, record, block);
  }

  #zeroGrown(node: number, run: { first: number; end: number }): void {
    this.#deps.rows.flush();
    this.#deps.intent.run(
      'DELETE FROM block WHERE node = ? AND block >= ? AND block < ?',
      node,
      run.first,
      run.end,
    );
    this.#zeroRun(node, run.first, run.end - run.first);
  }

  async #zero(node: StagedNode, record: ZeroRecord): Promise<void> {
    node.untouched = false;
    const count = checkedRun(node, record);
    const end = record.block + count;
    if (node.bodyWord === 'new') {
      this.#zeroNew(node, record.block, count);
      return;
    }
    // Past the old end a run says it all; below it each block has to be archived and overwritten.
    const oldEnd = Math.max(
      record.block,
      Math.min(end, blockCount(this.#deps.parent.node(node.id)?.size ?? 0)),
    );
    if (end > oldEnd) this.#zeroGrown(node.id, { first: oldEnd, end });
    for (let block = record.block; block < oldEnd; block += 1) {
      await this.#deps.slice.breathe();
      const bytes = blockLength(node.size, block);
      this.#row({
        node: node.id,
        block,
        digest: zeroDigest(this.#deps.core, bytes),
        bytes,
        mask: ALL_PAGES,
        offset: 0,
        length: 0,
      });
    }
  }

  #zeroNew(node: StagedNode, first: number, count: number): void {
    node.untouched = false;
    const { intent, newFiles, rows } = this.#deps;
    rows.flush();
    const overwritten = intent.all<{ block: number }>(
      'SELECT block FROM block WHERE node = ? AND block >= ? AND block < ?',
      node.id,
      first,
      first + count,
    );
    for (const { block } of overwritten) newFiles.zero(node.id, block);
    intent.run(
      'DELETE FROM block WHERE node = ? AND block >= ? AND block < ?',
      node.id,
      first,
      first + count,
    );
    this.#zeroRun(node.id, first, count);
  }

  #zeroRun(node: number, first: number, count: number): void {
    const { intent } = this.#deps;
    const longest = intent.get<{ count: number }>(
      'SELECT count FROM zero_run WHERE node = ? AND block = ?',
      node,
      first,
    );
    intent.run(
      'INSERT OR REPLACE INTO zero_run (node, block, count) VALUES (?, ?, ?)',
      node,
      first,
      Math.max(count, longest?.count ?? 0),
    );
  }

  async #copy(node: StagedNode, record: CopyRecord): Promise<void> {
    const { known, newFiles, rows } = this.#deps;
    rows.flush();
    let bytes = await known.read(record.digest, record.length);
    if (bytes === undefined && newFiles.hasPending) {
      await newFiles.settle();
      bytes = await known.read(record.digest, record.length);
    }
    if (bytes === undefined) throw wanted(record, 'no block of this digest is here any more');
    this.#put(node, record, bytes);
  }

  async #same(node: StagedNode, record: SameRecord): Promise<void> {
    if (node.bodyWord !== 'new')
      throw refused(`"same" blocks for node ${node.id}, whose body is kept`);
    const { newFiles } = this.#deps;
    const count = checkedRun(node, record);
    for (let block = record.block; block < record.block + count; block += 1) {
      if (newFiles.isFull) await newFiles.settle();
      const old = await this.#deps.parent.readBlock(node.id, block);
      if (old === undefined)
        throw wanted({ node: node.id, block }, 'the parent point has no such block');
      if (this.#deps.core.isZero(old.bytes)) this.#zeroNew(node, block, 1);
      else this.#put(node, { block, digest: old.digest }, old.bytes);
      await this.#deps.slice.breathe();
    }
  }

  async #splice(node: StagedNode, record: SpliceRecord): Promise<void> {
    const bytes = Buffer.allocUnsafe(record.length);
    let at = 0;
    for (const segment of record.segments) {
      if (segment.type === 'literal') {
        bytes.set(segment.bytes, at);
        at += segment.bytes.length;
        continue;
      }
      const piece = await this.#deps.parent.readRange(record.source, segment);
      if (piece === undefined) throw wanted(record, `node ${record.source} lacks bytes to splice`);
      bytes.set(piece, at);
      at += segment.length;
    }
    if (!this.#deps.core.digest(bytes).equals(record.digest))
      throw wanted(record, 'spliced bytes do not match');
    this.#put(node, record, bytes);
  }
}

/** The run's blocks that lie within the node's size. */
function checkedRun(node: StagedNode, run: { block: number; count: number }): number {
  if (run.count === 0 || run.block + run.count > RUN_BLOCKS_MAX)
    throw refused('a run of blocks out of bounds');
  return Math.max(0, Math.min(run.count, blockCount(node.size) - run.block));
}

/** The pages of `mask` of a block, one after the other. */
export function takePages(block: Buffer, mask: number): Buffer {
  const parts: Buffer[] = [];
  for (let page = 0; page < PAGES_PER_BLOCK; page += 1) {
    if ((mask & (1 << page)) !== 0) parts.push(block.subarray(page * 4096, page * 4096 + 4096));
  }
  return Buffer.concat(parts);
}

export function refused(
  message: string,
  facts: Record<string, number | string> = {},
): AfterimageError {
  return new AfterimageError('record-refused', message, { facts });
}

function wrongDigest(at: { node: number; block: number }): AfterimageError {
  return wanted(at, 'the bytes do not have their digest');
}

/** A refusal that the agent heals by sending the block whole. */
export function wanted(at: { node: number; block: number }, why: string): AfterimageError {
  return new AfterimageError('digest-mismatch', `block ${at.block} of node ${at.node}: ${why}`, {
    facts: { node: at.node, block: at.block },
  });
}

/** Whether the sync said that a block is zero, by a run. */
export function inZeroRun(intent: IndexDb, node: number, block: number): boolean {
  const run = intent.get<{ block: number; count: number }>(
    'SELECT block, count FROM zero_run WHERE node = ? AND block <= ? ORDER BY block DESC LIMIT 1',
    node,
    block,
  );
  return run !== undefined && block < run.block + run.count;
}
