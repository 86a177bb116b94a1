/**
 * Point digests from scratch: every row that holds at a point, read from the index. `verify` compares
 * them with what the cuts made, and an index of an older version gets its digests from here.
 */
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { digestRowAt } from '../index/digest-rows.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, newestPoint, type NodeRow } from '../index/nodes.js';
import { paged } from '../index/paged.js';
import { DIGESTS_PER_ROW } from '../index/schema.js';
import { duePoint } from './certificates-due.js';
import { PointDigest, storedDigest, storePointDigest } from './point-digest.js';

export interface RecomputeRequest {
  readonly index: IndexDb;
  readonly core: HashCore;
  readonly point: number;
  readonly signal?: AbortSignal;
}

/**
 * The digest of a point out of all its rows, a few microseconds a row. Readers may do this while a
 * sync is applied: rows of a cut point do not change. Throws `cancelled`.
 */
export async function recomputeDigest(request: RecomputeRequest): Promise<PointDigest> {
  const { index, core, point, signal } = request;
  const digest = new PointDigest(core);
  const slice = new TimeSlice();
  const pause = async (): Promise<void> => {
    await slice.breathe();
    if (signal?.aborted === true) throw new AfterimageError('cancelled', 'the work was cancelled');
  };
  for (const entry of entriesAt(index, point)) {
    digest.entry('add', entry);
    await pause();
  }
  for (const node of nodesAt(index, point)) {
    digest.node('add', node);
    for (const first of rowsOf(index, node, point)) {
      const at = { body: node.body ?? 0, size: node.size, first, point };
      digest.blocks(
        'add',
        { node: node.id, size: node.size },
        { first, digests: digestRowAt(index, core, at) },
      );
      await pause();
    }
    await pause();
  }
  return digest;
}

function entriesAt(index: IndexDb, point: number): Generator<EntryRow> {
  return paged<EntryRow>(index, {
    sql: `SELECT parent, name, born, died, node FROM entry
          WHERE (parent, name, born) > (?, ?, ?) AND born <= ? AND died > ?
          ORDER BY parent, name, born LIMIT ?`,
    start: [-1, Buffer.alloc(0), 0, point, point],
    cursorOf: ({ parent, name, born }) => [parent, name, born, point, point],
  });
}

function nodesAt(index: IndexDb, point: number): Generator<NodeRow> {
  return paged<NodeRow>(index, {
    sql: `SELECT * FROM node WHERE (id, born) > (?, ?) AND born <= ? AND died > ?
          ORDER BY id, born LIMIT ?`,
    start: [-1, 0, point, point],
    cursorOf: ({ id, born }) => [id, born, point, point],
  });
}

/** First blocks of the rows that a file's content may differ from zeros in, and 0. */
function rowsOf(index: IndexDb, { body, size }: NodeRow, point: number): number[] {
  if (body === null || size === 0) return [];
  const rows = index.all<{ first: number }>(
    `SELECT first FROM digests WHERE body = ? AND first > 0
     UNION SELECT block - block % ${DIGESTS_PER_ROW} FROM before
     WHERE body = ? AND block >= ${DIGESTS_PER_ROW} AND hi >= ?`,
    body,
    body,
    point,
  );
  return [0, ...rows.map(({ first }) => first)];
}

/**
 * Gives an index its digests where it has none: those of points that an older version cut, and the set
 * hash of the newest. To be called under the set's lock before anything is cut; free when all is there.
 */
export async function ensurePointDigests(
  index: IndexDb,
  core: HashCore,
): Promise<{ readonly computed: number }> {
  const newest = newestPoint(index);
  const state = index.get<{ point: number }>('SELECT point FROM digest_state');
  if (newest === (state?.point ?? 0)) return { computed: 0 };
  const missing = index.all<MissingPoint>(
    `SELECT point, time_ms AS timeMs, chain, outcome, files, bytes FROM point
     WHERE point NOT IN (SELECT point FROM point_digest) OR point = ? ORDER BY point`,
    newest,
  );
  for (const row of missing) {
    const digest = await recomputeDigest({ index, core, point: row.point });
    const isKnown = storedDigest(index, row.point) !== undefined;
    index.durably(() => {
      const value = storePointDigest(index, row.point, digest);
      if (!isKnown) duePoint(index, { ...row, digest: value });
    });
  }
  return { computed: missing.length };
}

interface MissingPoint {
  readonly point: number;
  readonly timeMs: number;
  readonly chain: Buffer;
  readonly outcome: string;
  readonly files: number;
  readonly bytes: number;
}
