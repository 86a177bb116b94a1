/**
 * Brings every stored version of one block back to what its digest says, as far as a whole copy of
 * it exists (R21). Runs under the set's lock. Nothing is written whose digest was not checked, and
 * a crash leaves what was or what is right: in the base and the attic only pages that are wrong are
 * written, and a page half written is as wrong as it was; a record is appended and on disk before
 * the row that names it changes.
 */
import fs from 'node:fs';
import { BLOCK_BYTES, PAGE_BYTES } from '../../shared/limits.js';
import { isUnreadable, readFully } from '../history/read-block.js';
import { type Packs, writeFully } from '../history/packs.js';
import type { IndexDb } from '../index/index-db.js';
import { notePackTail } from '../index/pack-rows.js';
import { LIVE } from '../index/schema.js';
import {
  blockVersions,
  bodyRow,
  type BlockVersion,
  type BodyRow,
  isBad,
  pagesOf,
} from './block-versions.js';
import type { BodyPlaces } from './body-place.js';
import { findTwin, type TwinPlaces } from './find-twin.js';

export interface RepairDeps {
  /** The set's own bodies and packs, read through the writer's connection, and where twins may be. */
  readonly twins: TwinPlaces;
  readonly packs: Packs;
  readonly places: BodyPlaces;
}

export interface BlockRepair {
  /** Versions that were bad before. */
  readonly found: readonly BlockVersion[];
  /** Those that still are. */
  readonly left: readonly BlockVersion[];
}

/** Looks at every version of a block anew, and repairs those that are bad. */
export async function repairBlock(
  deps: RepairDeps,
  at: { readonly body: number; readonly block: number },
): Promise<BlockRepair> {
  const body = bodyRow(deps.twins.own.index, at.body);
  if (body === undefined) return { found: [], left: [] };
  const found = await badVersions(deps, body, at.block);
  const newest = found.filter(({ hi }) => hi === LIVE);
  const left = await tryEach(deps, body, { bad: newest, all: found });
  // Older versions may have been wrong for the newest one's pages alone.
  const older = left.filter(({ hi }) => hi !== LIVE);
  return { found, left: await tryEach(deps, body, { bad: older, all: left }) };
}

/** Repairs what a twin is found of; returns what is bad afterwards. */
async function tryEach(
  deps: RepairDeps,
  body: BodyRow,
  versions: { readonly bad: readonly BlockVersion[]; readonly all: readonly BlockVersion[] },
): Promise<readonly BlockVersion[]> {
  let repaired = 0;
  for (const version of versions.bad) {
    if (await repairVersion(deps, body, version)) repaired += 1;
  }
  const [first] = versions.all;
  return repaired === 0 || first === undefined
    ? versions.all
    : badVersions(deps, body, first.block);
}

async function badVersions(
  { twins }: RepairDeps,
  body: BodyRow,
  block: number,
): Promise<BlockVersion[]> {
  const bad: BlockVersion[] = [];
  for await (const version of blockVersions(twins.own, body, block)) {
    // The bytes of many versions need not be held.
    if (isBad(version)) bad.push({ ...version, bytes: undefined });
  }
  return bad;
}

async function repairVersion(
  deps: RepairDeps,
  body: BodyRow,
  version: BlockVersion,
): Promise<boolean> {
  const { index } = deps.twins.own;
  if (version.miscalled) {
    callSound(index, version);
    return true;
  }
  const bytes = await findTwin(deps.twins, version);
  if (bytes === undefined) {
    if (version.record === 'bad') callDamaged(index, version);
    return false;
  }
  if (version.hi === LIVE) writeBody(deps, body, { block: version.block, bytes });
  else writeRecord(deps, body, { version, bytes });
  return true;
}

/** Writes the pages of the body's file that are not as they should be. */
function writeBody(
  deps: RepairDeps,
  body: BodyRow,
  { block, bytes }: { readonly block: number; readonly bytes: Buffer },
): void {
  // By the descriptor that was read: no name is followed a second time.
  const fd = fs.openSync(`/proc/self/fd/${openBody(deps, body)}`, fs.constants.O_RDWR);
  try {
    const start = block * BLOCK_BYTES;
    for (let page = 0; page * PAGE_BYTES < bytes.length; page += 1) {
      const right = bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      if (!holds(fd, right, start + page * PAGE_BYTES)) {
        writeFully(fd, right, start + page * PAGE_BYTES);
      }
    }
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  deps.places.restoreTime(body);
}

/** The body's file; one that is missing is made, without its content. */
function openBody({ twins, places }: RepairDeps, body: BodyRow): number {
  const { bodies } = twins.own;
  try {
    return bodies.open(body.id);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    places.ensureFile(body);
    return bodies.open(body.id);
  }
}

/** Whether the file has these bytes there; not when the disk cannot read it. */
function holds(fd: number, right: Buffer, offset: number): boolean {
  const now = Buffer.alloc(right.length);
  try {
    return readFully(fd, now, offset) === right.length && now.equals(right);
  } catch (error) {
    if (isUnreadable(error)) return false;
    throw error;
  }
}

/**
 * Saves the version whole, so that it depends on nothing else. Its row keeps back as far as its body
 * goes (`lo`): older points may now take pages from it that they took from a newer row before.
 */
function writeRecord(
  { twins, packs }: RepairDeps,
  body: BodyRow,
  { version, bytes }: { readonly version: BlockVersion; readonly bytes: Buffer },
): void {
  const place = packs.append({ body: body.id, block: version.block, bytes });
  packs.flush();
  const { index } = twins.own;
  index.durably(() => {
    index.run(
      `UPDATE before SET mask = ?, lo = min(lo, ?), pack = ?, offset = ?, length = ?, damaged = 0
       WHERE body = ? AND block = ? AND hi = ?`,
      pagesOf(bytes.length),
      body.born,
      place.pack,
      place.offset,
      place.length,
      body.id,
      version.block,
      version.hi,
    );
    notePackTail(index, packs.tail());
  });
}

/** The row's pages are gone: its points answer an error at once (R3). Where they were stays known. */
function callDamaged(index: IndexDb, { body, block, hi }: BlockVersion): void {
  const sql =
    'UPDATE before SET damaged = 1 WHERE body = ? AND block = ? AND hi = ? AND damaged = 0';
  index.durably(() => index.run(sql, body, block, hi));
}

function callSound(index: IndexDb, { body, block, hi }: BlockVersion): void {
  const sql = 'UPDATE before SET damaged = 0 WHERE body = ? AND block = ? AND hi = ?';
  index.durably(() => index.run(sql, body, block, hi));
}
