/**
 * Everything that is stored of one block: its newest content and what it held up to each older
 * point, newest first. Each version is put together once, by laying the pages of its record over
 * the next newer version, which is what reading it at its points comes to (R2), and is checked
 * against its digest. Every record is read once, however many points there are.
 */
import { BLOCK_BYTES, blockLength, PAGE_BYTES } from '../../shared/limits.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { Patience } from '../history/patience.js';
import {
  type BlockSource,
  isUnreadable,
  layPages,
  newestDigest,
  readFully,
} from '../history/read-block.js';
import type { IndexDb } from '../index/index-db.js';
import { LIVE } from '../index/schema.js';

export interface BodyRow {
  readonly id: number;
  readonly node: number;
  readonly born: number;
  readonly died: number;
  readonly place: number;
  readonly size: number;
}

/** What one block held in an interval of points. */
export interface BlockVersion {
  readonly body: number;
  readonly block: number;
  /** Last point of the interval; `LIVE` for the body's newest content. */
  readonly hi: number;
  /** First and last point that exist and read this version; both 0 when none does. */
  readonly from: number;
  readonly to: number;
  readonly digest: Buffer;
  readonly lengthBytes: number;
  /** Of its own pages: `none` when it has no record, as the newest content. */
  readonly record: 'none' | 'sound' | 'bad';
  /** Its record is sound, but its row calls it damaged. */
  readonly miscalled: boolean;
  /** The checked bytes; undefined when they do not come out as the digest. */
  readonly bytes: Buffer | undefined;
}

interface RecordRow {
  readonly hi: number;
  readonly mask: number;
  readonly digest: Buffer;
  readonly pack: number | null;
  readonly offset: number;
  readonly length: number;
  readonly damaged: number;
}

const ALL_PAGES = 0xffff;
const NO_POINTS = { from: 0, to: 0 };

export interface VersionSource extends Omit<BlockSource, 'applying'> {
  /** Between two versions others have their turn: a block may have thousands. */
  readonly slice: TimeSlice;
  readonly patience: Patience;
}

export function bodyRow(index: IndexDb, body: number): BodyRow | undefined {
  return index.get<BodyRow>(
    'SELECT id, node, born, died, place, size FROM body WHERE id = ?',
    body,
  );
}

/** Pages of a block of this length, as bits. */
export function pagesOf(lengthBytes: number): number {
  return (1 << Math.ceil(lengthBytes / PAGE_BYTES)) - 1;
}

/** Every version of a block, newest first. Bodies and packs are read as they are now. */
export async function* blockVersions(
  source: VersionSource,
  body: BodyRow,
  block: number,
): AsyncGenerator<BlockVersion> {
  const rows = source.index.all<RecordRow>(
    `SELECT hi, mask, digest, pack, offset, length, damaged FROM before
     WHERE body = ? AND block = ? ORDER BY hi DESC`,
    body.id,
    block,
  );
  const image = Buffer.alloc(BLOCK_BYTES);
  let unknown = (await readStored(source, body, { block, image })) ? 0 : ALL_PAGES;
  const at = { body: body.id, block };
  const lengthBytes = blockLength(body.size, block);
  if (lengthBytes > 0) {
    const digest = newestDigest(source, { ...at, length: lengthBytes });
    const points = pointsWithin(source.index, {
      after: rows[0]?.hi ?? body.born - 1,
      upTo: body.died - 1,
    });
    const bytes = matching(source, { image, unknown, lengthBytes, digest });
    yield {
      ...at,
      ...points,
      hi: LIVE,
      digest,
      lengthBytes,
      record: 'none',
      miscalled: false,
      bytes,
    };
  }
  for (const [place, row] of rows.entries()) {
    const record = row.mask === 0 ? 'none' : await layRecord(source, at, { row, image });
    await source.slice.breathe();
    if (record === 'bad') unknown |= row.mask;
    else unknown &= ~row.mask;
    const within = pointsWithin(source.index, {
      after: rows[place + 1]?.hi ?? body.born - 1,
      upTo: row.hi,
    });
    const length = blockLength(sizeAt(source.index, body, within.to || row.hi), block);
    // A file that ends before the block reads nothing of it; growing past it wrote no row.
    const points = length > 0 ? within : NO_POINTS;
    yield {
      ...at,
      ...points,
      hi: row.hi,
      digest: row.digest,
      lengthBytes: length,
      record,
      miscalled: record === 'sound' && row.damaged !== 0,
      bytes: matching(source, { image, unknown, lengthBytes: length, digest: row.digest }),
    };
  }
}

/**
 * Whether a version stands in the way of reading a point. One that no point reads is only looked at
 * for its record, whose pages older points may need.
 */
export function isBad(version: BlockVersion): boolean {
  if (version.miscalled || version.record === 'bad') return true;
  return version.bytes === undefined && version.to > 0;
}

function matching(
  { core }: VersionSource,
  version: {
    readonly image: Buffer;
    readonly unknown: number;
    readonly lengthBytes: number;
    readonly digest: Buffer;
  },
): Buffer | undefined {
  const { image, unknown, lengthBytes, digest } = version;
  if ((unknown & pagesOf(lengthBytes)) !== 0) return undefined;
  const bytes = image.subarray(0, lengthBytes);
  return core.digest(bytes).equals(digest) ? Buffer.from(bytes) : undefined;
}

/** False when the body's file is missing, or the disk cannot read it there. */
async function readStored(
  source: VersionSource,
  body: BodyRow,
  into: { readonly block: number; readonly image: Buffer },
): Promise<boolean> {
  const present = blockLength(body.size, into.block);
  if (present === 0) return true;
  try {
    const image = into.image.subarray(0, present);
    await source.patience.read(() =>
      readFully(source.bodies.open(body.id), image, into.block * BLOCK_BYTES),
    );
    return true;
  } catch (error) {
    if (isUnreadable(error)) return false;
    throw error;
  }
}

/** Lays a row's pages over the image of the next newer version. */
async function layRecord(
  source: VersionSource,
  at: { readonly body: number; readonly block: number },
  { row, image }: { readonly row: RecordRow; readonly image: Buffer },
): Promise<'sound' | 'bad'> {
  const { pack, offset, length, mask } = row;
  if (pack === null || !isPlace({ pack, offset, length })) return 'bad';
  try {
    const place = { pack, offset, length };
    const pages = await source.patience.read(() => source.packs.read(place, at));
    layPages(image, { pages, mask, take: mask });
    return 'sound';
  } catch (error) {
    if (isUnreadable(error)) return 'bad';
    throw error;
  }
}

/** A record is at most a block and its header: what rot made of the row asks for no more. */
function isPlace(place: { pack: number; offset: number; length: number }): boolean {
  return (
    Number.isSafeInteger(place.pack) &&
    place.pack > 0 &&
    Number.isSafeInteger(place.offset) &&
    place.offset >= 0 &&
    Number.isSafeInteger(place.length) &&
    place.length > 0 &&
    place.length <= 2 * BLOCK_BYTES
  );
}

function pointsWithin(
  index: IndexDb,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): { from: number; to: number } {
  const row = index.get<{ low: number | null; high: number | null }>(
    'SELECT min(point) AS low, max(point) AS high FROM point WHERE point > ? AND point <= ?',
    after,
    upTo,
  );
  return { from: row?.low ?? 0, to: row?.high ?? 0 };
}

/** Size of the body's file at a point. */
function sizeAt(index: IndexDb, body: BodyRow, point: number): number {
  const row = index.get<{ size: number }>(
    'SELECT size FROM node WHERE id = ? AND born <= ? AND body = ? ORDER BY born DESC LIMIT 1',
    body.node,
    point,
    body.id,
  );
  return row?.size ?? body.size;
}
