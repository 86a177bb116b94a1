/**
 * Checks that a sync says what every block of every file is, and archives what it overwrites.
 *
 * For files patched in place the old block is read and checked first (rot is found before it is
 * archived, R3), the new pages are laid over it, and the result must have the digest the agent
 * named. The pages that change, or lie past the new end, go to the packs; a row for each block
 * whose content or length changes goes to the intent, from where transaction A takes it.
 */
import { AfterimageError } from '../../shared/errors.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { blockCount, BLOCK_BYTES, blockLength, PAGE_BYTES } from '../../shared/limits.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { Patience } from '../history/patience.js';
import {
  type BlockSource,
  isUnreadable,
  layPages,
  newestDigest,
  readFully,
} from '../history/read-block.js';
import type { IndexDb } from '../index/index-db.js';
import { nodeAt } from '../index/nodes.js';
import { stagedNodes } from '../index/paged.js';
import type { KnownBlocks } from './known-blocks.js';
import type { NewFiles } from './new-files.js';
import type { PagesFile } from './pages-file.js';
import { ALL_PAGES, IS_NEW_FILE, type StagedBlock, stagedBlocks } from './staged-block.js';
import { inZeroRun, refused, takePages } from './staged-content.js';

export interface GivenToSeal {
  readonly source: BlockSource;
  readonly intent: IndexDb;
  readonly newFiles: NewFiles;
  readonly pages: PagesFile;
  readonly known: KnownBlocks;
  readonly parentPoint: number;
  readonly slice: TimeSlice;
}

interface SealContentDeps extends GivenToSeal {
  readonly patience: Patience;
}

/** Blocks the agent has to send whole: what it built on is not what the replica has. */
export interface Want {
  readonly node: number;
  readonly block: number;
}

/** The block that a refusal names, if it names one. */
export function wantsOf({ facts: { node, block } }: AfterimageError): Want[] {
  return typeof node === 'number' && typeof block === 'number' ? [{ node, block }] : [];
}

const WANTS_MAX = 1000;
/** After so many rows of one block the whole block is saved, so that reads stay short (§6, tier 2). */
const ROWS_BETWEEN_FULL = 32;

interface FileNode {
  readonly id: number;
  readonly size: number;
  readonly body_word: number;
}

/** Returns the blocks that did not check; empty when the content is sound. */
export async function sealContent(given: GivenToSeal): Promise<Want[]> {
  const deps: SealContentDeps = { ...given, patience: new Patience() };
  const wants: Want[] = [];
  deps.intent.run('DELETE FROM before');
  for (const file of unsoundFiles(deps.intent)) {
    if (file.body_word === 2) sealNew(deps, file);
    else await sealKept(deps, { file, wants });
    if (wants.length >= WANTS_MAX) break;
    await deps.slice.breathe();
  }
  deps.source.packs.flush();
  return wants;
}

/** Files that have to be looked at: all but new ones of one block, which is the file as it should be. */
function unsoundFiles(intent: IndexDb): Generator<FileNode> {
  return stagedNodes<FileNode>(intent, {
    columns: 'id, size, body_word',
    where: `dead = 0 AND body_word <> 0 AND NOT (body_word = 2 AND fresh = 1 AND size <= ${BLOCK_BYTES}
      AND EXISTS (SELECT 1 FROM block b WHERE b.node = node.id AND b.block = 0
                    AND b.offset = ${IS_NEW_FILE} AND b.bytes = node.size)
      AND NOT EXISTS (SELECT 1 FROM block b WHERE b.node = node.id AND b.block > 0)
      AND NOT EXISTS (SELECT 1 FROM zero_run z WHERE z.node = node.id))`,
  });
}

/** Every block of a body written anew must have been mentioned, in its final length. */
function sealNew({ intent, newFiles, parentPoint, source }: SealContentDeps, file: FileNode): void {
  const blocks = blockCount(file.size);
  intent.run('DELETE FROM block WHERE node = ? AND block >= ?', file.id, blocks);
  const runs = intent.all<{ block: number; count: number }>(
    'SELECT block, count FROM zero_run WHERE node = ? ORDER BY block',
    file.id,
  );
  let covered = 0;
  let run = 0;
  const coverZeros = (upTo: number): void => {
    for (
      let current = runs[run];
      current !== undefined && current.block <= covered;
      current = runs[++run]
    ) {
      covered = Math.max(covered, Math.min(upTo, current.block + current.count));
      if (current.block + current.count > upTo) return;
    }
  };
  for (const row of stagedBlocks(intent, file.id)) {
    coverZeros(row.block);
    if (row.block !== covered) throw uncovered(file.id, covered);
    if (row.bytes !== blockLength(file.size, row.block)) throw wrongLength(row);
    covered = row.block + 1;
  }
  coverZeros(blocks);
  if (covered < blocks) throw uncovered(file.id, covered);
  if (newFiles.size(file.id) === file.size) newFiles.release(file.id);
  else newFiles.finish(file.id, file.size);
  const old = nodeAt(source.index, file.id, parentPoint);
  intent.run('UPDATE node SET old_body = ? WHERE id = ?', old?.body ?? null, file.id);
}

/** A file patched in place: checks each block, writes the rows and records of what it was. */
async function sealKept(
  deps: SealContentDeps,
  at: { file: FileNode; wants: Want[] },
): Promise<void> {
  const { intent, source } = deps;
  const { file, wants } = at;
  const old = nodeAt(source.index, file.id, deps.parentPoint);
  if (old?.body == null) throw refused(`node ${file.id} keeps a body it does not have`);
  intent.run('UPDATE node SET old_body = ? WHERE id = ?', old.body, file.id);
  intent.run('DELETE FROM block WHERE node = ? AND block >= ?', file.id, blockCount(file.size));
  if (file.size > old.size) deps.newFiles.checkSize(file.id, file.size);
  const patch = { file, body: old.body, oldSize: old.size };
  for (const row of stagedBlocks(intent, file.id)) {
    if (row.bytes !== blockLength(file.size, row.block)) throw wrongLength(row);
    if (!(await sealBlock(deps, patch, row))) wants.push({ node: file.id, block: row.block });
    if (wants.length >= WANTS_MAX) return;
    await deps.slice.breathe();
  }
  await sealLengthChange(deps, patch);
}

interface Patch {
  readonly file: FileNode;
  readonly body: number;
  readonly oldSize: number;
}

/** Blocks whose length changes must have been sent; blocks past the new end are archived whole. */
async function sealLengthChange(deps: SealContentDeps, patch: Patch): Promise<void> {
  const { file, oldSize } = patch;
  if (file.size === oldSize) return;
  const oldBlocks = blockCount(oldSize);
  const newBlocks = blockCount(file.size);
  const firstTouched = Math.floor(Math.min(oldSize, file.size) / BLOCK_BYTES);
  for (let block = firstTouched; block < newBlocks; block += 1) {
    const sameLength = blockLength(oldSize, block) === blockLength(file.size, block);
    if (!sameLength && !isSaid(deps.intent, file.id, block)) throw uncovered(file.id, block);
    await deps.slice.breathe();
  }
  for (let block = Math.max(newBlocks, firstTouched); block < oldBlocks; block += 1) {
    archive(deps, patch, { block, mask: ALL_PAGES, old: await oldBlock(deps, patch, block) });
    await deps.slice.breathe();
  }
}

/** Whether the sync says what the block is: by content, or within a run of zeros. */
function isSaid(intent: IndexDb, node: number, block: number): boolean {
  return (
    intent.get('SELECT 1 FROM block WHERE node = ? AND block = ?', node, block) !== undefined ||
    inZeroRun(intent, node, block)
  );
}

interface OldBlock {
  readonly digest: Buffer;
  /** Undefined when the stored bytes are damaged and no twin is whole. */
  readonly bytes: Buffer | undefined;
  /** What is on disk, damaged or not. */
  readonly raw: Buffer;
}

async function oldBlock(deps: SealContentDeps, patch: Patch, block: number): Promise<OldBlock> {
  const length = blockLength(patch.oldSize, block);
  const { source } = deps;
  if (length === 0)
    return { digest: zeroDigest(source.core, 0), bytes: Buffer.alloc(0), raw: Buffer.alloc(0) };
  const digest = newestDigest(source, { body: patch.body, block, length });
  const raw = Buffer.alloc(length);
  const into = { bytes: raw, offset: block * BLOCK_BYTES };
  const read = await deps.patience.read(() => readStored(source, patch.body, into)).catch(unread);
  if (read && source.core.digest(raw).equals(digest)) return { digest, bytes: raw, raw };
  return { digest, bytes: await deps.known.read(digest, length), raw };
}

function readStored(
  source: BlockSource,
  body: number,
  into: { bytes: Buffer; offset: number },
): boolean {
  readFully(source.bodies.open(body), into.bytes, into.offset);
  return true;
}

/** The body's file is missing or the disk cannot read it: the block counts as damaged (R3). */
function unread(error: unknown): false {
  if (isUnreadable(error)) return false;
  throw error;
}

/** False when the block does not come out as the agent says. */
async function sealBlock(deps: SealContentDeps, patch: Patch, row: StagedBlock): Promise<boolean> {
  const old = await oldBlock(deps, patch, row.block);
  const fresh = Buffer.alloc(row.bytes);
  (old.bytes ?? old.raw).copy(fresh);
  if (row.length > 0) {
    layPages(fresh, {
      pages: deps.pages.read(row.offset, row.length),
      mask: row.mask,
      take: row.mask,
    });
  } else if (row.mask === ALL_PAGES) fresh.fill(0);
  if (!deps.source.core.digest(fresh).equals(row.digest)) return false;
  if (old.bytes !== old.raw && row.mask !== ALL_PAGES) healRot(deps, { row, fresh });
  const mask = changedMask(old.bytes, fresh, old.raw.length);
  const grown = row.bytes !== old.raw.length;
  if (mask === 0 && !grown && row.digest.equals(old.digest)) {
    // Sent again because it is rotten here: it is written, and there is nothing to archive.
    if (old.bytes !== old.raw) return true;
    deps.intent.run('DELETE FROM block WHERE node = ? AND block = ?', row.node, row.block);
    return true;
  }
  if (old.raw.length > 0) archive(deps, patch, { block: row.block, mask, old });
  return true;
}

/** The block on disk is rotten, and what it should be is known: write it whole, not its changed pages. */
function healRot(deps: SealContentDeps, { row, fresh }: { row: StagedBlock; fresh: Buffer }): void {
  const offset = deps.pages.append(fresh);
  deps.intent.run(
    'UPDATE block SET mask = ?, offset = ?, length = ? WHERE node = ? AND block = ?',
    ALL_PAGES,
    offset,
    fresh.length,
    row.node,
    row.block,
  );
}

/** Pages of the old block that the new one does not have, or that lie past its end. */
function changedMask(old: Buffer | undefined, fresh: Buffer, oldLength: number): number {
  if (old === undefined) return (1 << Math.ceil(oldLength / PAGE_BYTES)) - 1;
  let mask = 0;
  for (let page = 0; page * PAGE_BYTES < oldLength; page += 1) {
    const start = page * PAGE_BYTES;
    const before = old.subarray(start, start + PAGE_BYTES);
    const after = fresh.subarray(start, start + before.length);
    if (!before.equals(after)) mask |= 1 << page;
  }
  return mask;
}

/** Appends the old pages to the packs and notes the row; a damaged block is noted as damaged. */
function archive(
  deps: SealContentDeps,
  patch: Patch,
  at: { readonly block: number; readonly mask: number; readonly old: OldBlock },
): void {
  const present = (1 << Math.ceil(at.old.raw.length / PAGE_BYTES)) - 1;
  const since = sinceOf(deps.source.index, {
    body: patch.body,
    block: at.block,
    mask: at.mask & present,
    present,
  });
  const mask = since.full ? present : at.mask & present;
  const bytes = at.old.bytes;
  const place =
    bytes === undefined || mask === 0
      ? undefined
      : deps.source.packs.append({
          body: patch.body,
          block: at.block,
          bytes: takePages(bytes, mask),
        });
  deps.intent.run(
    `INSERT OR REPLACE INTO before (body, block, hi, lo, mask, digest, pack, offset, length, damaged)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    patch.body,
    at.block,
    deps.parentPoint,
    since.lo,
    mask,
    at.old.digest,
    place?.pack ?? null,
    place?.offset ?? 0,
    place?.length ?? 0,
    bytes === undefined ? 1 : 0,
  );
}

/**
 * The smallest point since which some page of `mask`, or the block's digest, has been as it is
 * (R2), and whether it is time to save the whole block.
 */
function sinceOf(
  index: IndexDb,
  at: { body: number; block: number; mask: number; present: number },
): { lo: number; full: boolean } {
  const born =
    index.get<{ born: number }>('SELECT born FROM body WHERE id = ?', at.body)?.born ?? 0;
  const rows = index.all<{ hi: number; mask: number }>(
    `SELECT hi, mask FROM before WHERE body = ? AND block = ? ORDER BY hi DESC LIMIT ${ROWS_BETWEEN_FULL + 1}`,
    at.body,
    at.block,
  );
  const untilFull = rows.findIndex((row) => (row.mask & at.present) === at.present);
  const full = untilFull < 0 && rows.length > ROWS_BETWEEN_FULL;
  const newest = rows[0];
  if (newest === undefined) return { lo: born, full };
  let lo = newest.hi + 1;
  let missing = full ? at.present : at.mask;
  for (const row of rows) {
    if (missing === 0) break;
    if ((row.mask & missing) !== 0) lo = Math.min(lo, row.hi + 1);
    missing &= ~row.mask;
  }
  return { lo: missing === 0 ? lo : born, full };
}

function uncovered(node: number, block: number): AfterimageError {
  return refused(`the sync does not say what block ${block} of node ${node} is`, { node, block });
}

function wrongLength(row: StagedBlock): AfterimageError {
  return refused(
    `block ${row.block} of node ${row.node} has ${row.bytes} bytes, which its file's size forbids`,
    {
      node: row.node,
      block: row.block,
    },
  );
}
