/** Whether two versions of files hold the same bytes, from rows of the index alone. */
import type { HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { digestRowAt } from '../index/digest-rows.js';
import type { IndexDb } from '../index/index-db.js';
import type { NodeRow } from '../index/nodes.js';
import { DIGESTS_PER_ROW } from '../index/schema.js';

/** A version at a point that has it. */
export interface VersionAt {
  readonly row: NodeRow;
  readonly point: number;
}

/** Digests of larger files are not compared: bodies and changed blocks tell enough. */
const COMPARED_BYTES_MAX = 4 * DIGESTS_PER_ROW * BLOCK_BYTES;
/** Points between two versions that are looked at one by one. */
const SEEKS_MAX = 256;

/** `a` is the older. May say that contents differ of large files that were rewritten as they were. */
export function sameContent(
  { index, core }: { readonly index: IndexDb; readonly core: HashCore },
  a: VersionAt,
  b: VersionAt,
): boolean {
  if (a.row.kind !== b.row.kind || a.row.size !== b.row.size) return false;
  if (!sameTarget(a.row.target, b.row.target)) return false;
  const [bodyA, bodyB] = [a.row.body, b.row.body];
  if (bodyA === null || bodyB === null) return bodyA === bodyB;
  if (bodyA === bodyB) return !isPatched(index, bodyA, { from: a.point, to: b.point });
  if (a.row.size > COMPARED_BYTES_MAX) return false;
  for (let at = 0; at * BLOCK_BYTES < a.row.size; at += DIGESTS_PER_ROW) {
    const { size } = a.row;
    const before = digestRowAt(index, core, { body: bodyA, size, first: at, point: a.point });
    const after = digestRowAt(index, core, { body: bodyB, size, first: at, point: b.point });
    if (!before.equals(after)) return false;
  }
  return true;
}

/** Whether some block of the body was changed between the points. */
function isPatched(
  index: IndexDb,
  body: number,
  { from, to }: { readonly from: number; readonly to: number },
): boolean {
  if (to - from > SEEKS_MAX) {
    const sql = 'SELECT 1 FROM before WHERE body = ? AND hi >= ? AND hi < ? LIMIT 1';
    return index.get(sql, body, from, to) !== undefined;
  }
  // One by one: a range would look at all that changed between, or at all that changed of the file.
  const sql = 'SELECT 1 FROM before INDEXED BY before_hi WHERE hi = ? AND body = ? LIMIT 1';
  for (let hi = from; hi < to; hi += 1) if (index.get(sql, hi, body) !== undefined) return true;
  return false;
}

function sameTarget(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
