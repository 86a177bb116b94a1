/**
 * Rows of `digests`: 128 block digests each (R24). A row whose blocks are all zero is not stored;
 * inside a stored row zero blocks have their digest like any other.
 */
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { blockCount, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import type { IndexDb } from './index-db.js';
import { DIGESTS_PER_ROW } from './schema.js';

export interface DigestOfBlock {
  readonly block: number;
  readonly digest: Uint8Array;
}

/** Digests of up to 128 blocks from `first`; undefined for a row that is not stored: zero blocks. */
export interface DigestRow {
  readonly first: number;
  readonly digests: Buffer | undefined;
}

/** Told of each row that changes: what was stored and what is. */
export type RowChange = (
  first: number,
  before: Buffer | undefined,
  after: Buffer | undefined,
) => void;

/** Writes the rows of a body of `size` bytes; blocks not given are zero. `blocks` ascend. */
export function writeDigestRows(
  index: IndexDb,
  core: HashCore,
  body: {
    readonly id: number;
    readonly size: number;
    readonly blocks: Iterable<DigestOfBlock>;
    readonly changed: RowChange;
  },
): void {
  let first = -1;
  let row: Buffer | undefined;
  const store = (): void => {
    if (row === undefined) return;
    insertRow(index, { body: body.id, first, digests: row });
    body.changed(first, undefined, row);
  };
  for (const { block, digest } of body.blocks) {
    const start = block - (block % DIGESTS_PER_ROW);
    if (start !== first || row === undefined) {
      store();
      if (first === -1 && start > 0) body.changed(0, undefined, undefined);
      first = start;
      row = zeroRow(core, body.size, first);
    }
    row.set(digest, (block - first) * DIGEST_BYTES);
  }
  store();
  if (first === -1) body.changed(0, undefined, undefined);
}

/** Changes rows of a body that stays: its size, and the digests of some blocks (ascending). */
export function patchDigestRows(
  index: IndexDb,
  core: HashCore,
  body: {
    readonly id: number;
    readonly oldSize: number;
    readonly size: number;
    readonly blocks: readonly DigestOfBlock[];
    readonly changed: RowChange;
  },
): void {
  const firsts = new Set(body.blocks.map(({ block }) => block - (block % DIGESTS_PER_ROW)));
  if (body.oldSize !== body.size) {
    for (const size of [body.oldSize, body.size]) {
      const last = Math.max(0, blockCount(size) - 1);
      firsts.add(last - (last % DIGESTS_PER_ROW));
    }
  }
  const given = new Map(body.blocks.map(({ block, digest }) => [block, digest]));
  for (const first of firsts) patchRow(index, core, { ...body, first, given });
  const past = index.all<{ first: number; digests: Buffer }>(
    'SELECT first, digests FROM digests WHERE body = ? AND first >= ?',
    body.id,
    blockCount(body.size),
  );
  for (const { first, digests } of past) {
    if (!firsts.has(first)) body.changed(first, digests, undefined);
  }
  index.run('DELETE FROM digests WHERE body = ? AND first >= ?', body.id, blockCount(body.size));
}

function patchRow(
  index: IndexDb,
  core: HashCore,
  at: {
    id: number;
    oldSize: number;
    size: number;
    first: number;
    given: ReadonlyMap<number, Uint8Array>;
    changed: RowChange;
  },
): void {
  const old = index.get<{ digests: Buffer }>(
    'SELECT digests FROM digests WHERE body = ? AND first = ?',
    at.id,
    at.first,
  )?.digests;
  const row = zeroRow(core, at.size, at.first);
  let anything = old !== undefined;
  old?.copy(row, 0, 0, Math.min(old.length, row.length));
  for (let slot = 0; slot * DIGEST_BYTES < row.length; slot += 1) {
    const digest = at.given.get(at.first + slot);
    if (digest === undefined) continue;
    row.set(digest, slot * DIGEST_BYTES);
    anything = true;
  }
  const isStored = anything && row.length > 0;
  if (isStored) insertRow(index, { body: at.id, first: at.first, digests: row });
  at.changed(at.first, old, isStored ? row : undefined);
}

function insertRow(index: IndexDb, row: { body: number; first: number; digests: Buffer }): void {
  index.run(
    'INSERT OR REPLACE INTO digests (body, first, digests) VALUES (?, ?, ?)',
    row.body,
    row.first,
    row.digests,
  );
}

/** Digests of the row that starts at block `first` as if all its blocks were zero. */
export function zeroRow(core: HashCore, size: number, first: number): Buffer {
  const slots = Math.max(0, Math.min(DIGESTS_PER_ROW, blockCount(size) - first));
  const row = Buffer.alloc(slots * DIGEST_BYTES);
  for (let slot = 0; slot < slots; slot += 1) {
    row.set(zeroDigest(core, blockLength(size, first + slot)), slot * DIGEST_BYTES);
  }
  return row;
}

/** Digests of up to 128 blocks of a body of `size` bytes from block `first`, as they were at a point. */
export function digestRowAt(
  index: IndexDb,
  core: HashCore,
  at: {
    readonly body: number;
    readonly size: number;
    readonly first: number;
    readonly point: number;
  },
): Buffer {
  const digests = zeroRow(core, at.size, at.first);
  const stored = index.get<{ digests: Buffer }>(
    'SELECT digests FROM digests WHERE body = ? AND first = ?',
    at.body,
    at.first,
  );
  stored?.digests.copy(digests, 0, 0, Math.min(stored.digests.length, digests.length));
  const older = index.all<{ block: number; digest: Buffer }>(
    `SELECT block, digest FROM before WHERE body = ? AND block >= ? AND block < ? AND hi >= ?
     ORDER BY block, hi DESC`,
    at.body,
    at.first,
    at.first + DIGESTS_PER_ROW,
    at.point,
  );
  // The smallest hi comes last for each block and wins.
  for (const { block, digest } of older) {
    const place = (block - at.first) * DIGEST_BYTES;
    if (place < digests.length) digest.copy(digests, place);
  }
  return digests;
}
