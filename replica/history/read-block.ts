/**
 * Reads blocks as they were at a point: before-images over the body's file, checked against the
 * block's digest of that point (R2, R9). Bytes that do not match are never returned.
 */
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { BLOCK_BYTES, blockLength, PAGE_BYTES, PAGES_PER_BLOCK } from '../../shared/limits.js';
import type { IndexDb } from '../index/index-db.js';
import { DIGESTS_PER_ROW } from '../index/schema.js';
import type { BodyFiles } from './body-files.js';
import type { Packs } from './packs.js';

/** What reading needs of a set. */
export interface BlockSource {
  readonly index: IndexDb;
  readonly bodies: BodyFiles;
  readonly packs: Packs;
  readonly core: HashCore;
  /** True while a sync is being applied: a mismatch may pass. */
  applying(): boolean;
}

export interface BlockAt {
  readonly body: number;
  readonly block: number;
  readonly point: number;
  /** Size of the file at the point. */
  readonly size: number;
}

interface BeforeRow {
  readonly hi: number;
  readonly mask: number;
  readonly digest: Buffer;
  readonly pack: number | null;
  readonly offset: number;
  readonly length: number;
  readonly damaged: number;
}

const RETRY_DELAY_MS = 20;
const RETRIES_IDLE = 2;
/** Every place is tried many times over before a block is called damaged. */
const RETRIES_APPLYING = 250;

/** Digest of a block of a body's newest content. */
export function newestDigest(
  { index, core }: Pick<BlockSource, 'index' | 'core'>,
  at: { body: number; block: number; length: number },
): Buffer {
  const slot = at.block % DIGESTS_PER_ROW;
  const row = index.get<{ digests: Buffer }>(
    'SELECT digests FROM digests WHERE body = ? AND first = ?',
    at.body,
    at.block - slot,
  );
  const digest = row?.digests.subarray(slot * 32, slot * 32 + 32);
  return digest?.length === 32 ? digest : zeroDigest(core, at.length);
}

/** Digest of a block at a point: the before row with the smallest hi ≥ point, else the newest. */
export function digestAt(source: Pick<BlockSource, 'index' | 'core'>, at: BlockAt): Buffer {
  const row = source.index.get<{ digest: Buffer }>(
    'SELECT digest FROM before WHERE body = ? AND block = ? AND hi >= ? ORDER BY hi LIMIT 1',
    at.body,
    at.block,
    at.point,
  );
  return row?.digest ?? newestDigest(source, { ...at, length: blockLength(at.size, at.block) });
}

/** The block's bytes, checked. Throws `damaged`. */
export async function readBlockAt(source: BlockSource, at: BlockAt): Promise<Buffer> {
  for (let attempt = 0; ; attempt += 1) {
    const wasApplying = source.applying();
    let failure: AfterimageError;
    try {
      const bytes = assemble(source, at);
      if (bytes !== undefined) return bytes;
      failure = damagedBlock(at);
    } catch (error) {
      if (!(error instanceof AfterimageError) || error.code !== 'damaged') throw error;
      failure = error;
    }
    if (attempt >= (wasApplying ? RETRIES_APPLYING : RETRIES_IDLE)) throw failure;
    source.bodies.forget(at.body);
    if (wasApplying) await delay(RETRY_DELAY_MS);
  }
}

/** The block's bytes, or undefined when they do not have the digest. */
function assemble(source: BlockSource, at: BlockAt): Buffer | undefined {
  const length = blockLength(at.size, at.block);
  if (length === 0) return Buffer.alloc(0);
  const rows = beforeRows(source.index, at);
  const expected = rows[0]?.digest ?? newestDigest(source, { ...at, length });
  const bytes = Buffer.alloc(length);
  let needed = (1 << Math.ceil(length / PAGE_BYTES)) - 1;
  for (const row of rows) {
    if (needed === 0) break;
    const take = row.mask & needed;
    if (take === 0) continue;
    if (row.damaged !== 0 || row.pack === null) throw damagedBlock(at);
    const pages = source.packs.read({ pack: row.pack, offset: row.offset, length: row.length }, at);
    layPages(bytes, { pages, mask: row.mask, take });
    needed &= ~take;
  }
  if (needed !== 0) readPages(source.bodies.open(at.body), bytes, { block: at.block, needed });
  return source.core.digest(bytes).equals(expected) ? bytes : undefined;
}

function beforeRows(index: IndexDb, at: BlockAt): BeforeRow[] {
  return index.all<BeforeRow>(
    `SELECT hi, mask, digest, pack, offset, length, damaged FROM before
     WHERE body = ? AND block = ? AND hi >= ? ORDER BY hi`,
    at.body,
    at.block,
    at.point,
  );
}

/** Copies the pages of `take` out of a run of the pages of `mask` into their places in `block`. */
export function layPages(
  block: Buffer,
  from: { readonly pages: Uint8Array; readonly mask: number; readonly take: number },
): void {
  let offset = 0;
  for (let page = 0; page < PAGES_PER_BLOCK; page += 1) {
    if ((from.mask & (1 << page)) === 0) continue;
    const piece = from.pages.subarray(offset, offset + PAGE_BYTES);
    offset += PAGE_BYTES;
    if ((from.take & (1 << page)) === 0) continue;
    const at = page * PAGE_BYTES;
    if (at < block.length) block.set(piece.subarray(0, block.length - at), at);
  }
}

function readPages(fd: number, bytes: Buffer, at: { block: number; needed: number }): void {
  const start = at.block * BLOCK_BYTES;
  let page = 0;
  while (page < PAGES_PER_BLOCK) {
    if ((at.needed & (1 << page)) === 0) {
      page += 1;
      continue;
    }
    let end = page;
    while (end < PAGES_PER_BLOCK && (at.needed & (1 << end)) !== 0) end += 1;
    const from = page * PAGE_BYTES;
    const to = Math.min(bytes.length, end * PAGE_BYTES);
    readFully(fd, bytes.subarray(from, to), start + from);
    page = end;
  }
}

/** Reads until `bytes` is full or the file ends; the rest stays as it is. Returns bytes read. */
export function readFully(fd: number, bytes: Uint8Array, offset: number): number {
  let done = 0;
  while (done < bytes.length) {
    const read = fs.readSync(fd, bytes, done, bytes.length - done, offset + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

/** Whether an error says that stored bytes are gone or wrong, and not that this program failed. */
export function isUnreadable(error: unknown): boolean {
  if (error instanceof AfterimageError) return error.code === 'damaged';
  const errno = errnoOf(error);
  return errno === 'EIO' || errno === 'ENOENT' || errno === 'EUCLEAN';
}

function damagedBlock(at: BlockAt): AfterimageError {
  return new AfterimageError(
    'damaged',
    `block ${at.block} of body ${at.body} does not match its digest`,
    {
      facts: { body: at.body, block: at.block, point: at.point },
    },
  );
}
