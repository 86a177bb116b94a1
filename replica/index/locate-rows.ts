/**
 * Rows of `locate` that lead nowhere: hints to what a block no longer is. They would never be
 * believed (R27), but only a few hints of a digest are looked at, and they stand before better ones.
 */
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES, DIGEST_BYTES } from '../../shared/limits.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { digestPrefix } from '../stage/staged-block.js';
import type { IndexDb } from './index-db.js';
import { paged } from './paged.js';
import { DIGESTS_PER_ROW } from './schema.js';

export interface LocatedBlock {
  readonly body: number;
  readonly block: number;
  readonly digest: Buffer;
}

/** Takes away the hints to what a sync overwrote in a body: the before-rows of its intent. */
export function dropOverwritten(index: IndexDb, intent: IndexDb, body: number): void {
  const rows = intent.all<LocatedBlock>(
    'SELECT body, block, digest FROM before WHERE body = ?',
    body,
  );
  for (const row of rows) dropLocation(index, row);
}

/** Takes away a hint to a digest that a block had once, unless it has it now. */
export function dropOutdated(index: IndexDb, at: LocatedBlock): void {
  const hint = index.get(
    'SELECT 1 FROM locate WHERE prefix = ? AND body = ? AND block = ?',
    digestPrefix(at.digest),
    at.body,
    at.block,
  );
  if (hint === undefined) return;
  const slot = at.block % DIGESTS_PER_ROW;
  const row = index.get<{ digests: Buffer }>(
    'SELECT digests FROM digests WHERE body = ? AND first = ?',
    at.body,
    at.block - slot,
  );
  const now = row?.digests.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES);
  if (now?.equals(at.digest) !== true) dropLocation(index, at);
}

/** Takes away a body's digest rows and the hints to its blocks. */
export async function dropDigests(
  index: IndexDb,
  { core, slice }: { readonly core: HashCore; readonly slice: TimeSlice },
  body: number,
): Promise<void> {
  const zero = zeroDigest(core, BLOCK_BYTES);
  const rows = paged<{ first: number; digests: Buffer }>(index, {
    sql: 'SELECT first, digests FROM digests WHERE body = ? AND first > ? ORDER BY first LIMIT ?',
    start: [body, -1],
    cursorOf: ({ first }) => [body, first],
  });
  for (const { first, digests } of rows) {
    for (let at = 0; at < digests.length; at += DIGEST_BYTES) {
      const digest = digests.subarray(at, at + DIGEST_BYTES);
      if (!digest.equals(zero)) {
        dropLocation(index, { body, block: first + at / DIGEST_BYTES, digest });
      }
    }
    await slice.breathe();
  }
  index.run('DELETE FROM digests WHERE body = ?', body);
}

function dropLocation(index: IndexDb, { body, block, digest }: LocatedBlock): void {
  index.run(
    'DELETE FROM locate WHERE prefix = ? AND body = ? AND block = ?',
    digestPrefix(digest),
    body,
    block,
  );
}
