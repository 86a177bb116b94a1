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

/** Writes the rows of a body of `size` bytes; blocks not given are zero. `blocks` ascend. */
export function writeDigestRows(
  index: IndexDb,
  core: HashCore,
  body: { readonly id: number; readonly size: number; readonly blocks: Iterable<DigestOfBlock> },
): void {
  let first = -1;
  let row: Buffer | undefined;
  const store = (): void => {
    if (row !== undefined) insertRow(index, { body: body.id, first, digests: row });
  };
  for (const { block, digest } of body.blocks) {
    const start = block - (block % DIGESTS_PER_ROW);
    if (start !== first || row === undefined) {
      store();
      first = start;
      row = zeroRow(core, body.size, first);
    }
    row.set(digest, (block - first) * DIGEST_BYTES);
  }
  store();
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
  if (anything && row.length > 0) insertRow(index, { body: at.id, first: at.first, digests: row });
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
