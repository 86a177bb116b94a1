/**
 * Point digests from scratch, out of all rows of the index, for many points in one pass: a row is added
 * at the first of the points at which it holds and taken away at the first at which it does not, and
 * sums over the points give their digests. So the cost is that of the rows, however many points.
 */
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { SET_HASH_BYTES } from '../../shared/hash/set-hash.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { digestRowAt } from '../index/digest-rows.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, newestPoint, type NodeRow } from '../index/nodes.js';
import { paged } from '../index/paged.js';
import { DIGESTS_PER_ROW } from '../index/schema.js';
import { duePoint } from './certificates-due.js';
import { PointDigest, storedDigest, storePointDigest } from './point-digest.js';

/** Points of one pass: each takes 70 KiB of memory. */
const PASS_POINTS_MAX = 128;

export interface RecomputeRequest {
  readonly index: IndexDb;
  readonly core: HashCore;
  /** Ascending. */
  readonly points: readonly number[];
  readonly signal?: AbortSignal;
}

export interface ComputedDigest {
  readonly point: number;
  /** As `point_digest` keeps it. */
  readonly digest: Buffer;
  /** As `digest_state` keeps it. */
  readonly state: Buffer;
}

/**
 * The digests of points out of all their rows, a few microseconds a row. Readers may do this while a
 * sync is applied: rows of a cut point do not change. Throws `cancelled`.
 */
export async function* recomputeDigests(request: RecomputeRequest): AsyncGenerator<ComputedDigest> {
  for (let at = 0; at < request.points.length; at += PASS_POINTS_MAX) {
    const points = request.points.slice(at, at + PASS_POINTS_MAX);
    yield* await onePass({ ...request, points });
  }
}

async function onePass(request: RecomputeRequest): Promise<ComputedDigest[]> {
  const { index, core, points, signal } = request;
  const series = new DigestSeries(core, points);
  const slice = new TimeSlice();
  const pause = async (): Promise<void> => {
    await slice.breathe();
    if (signal?.aborted === true) throw new AfterimageError('cancelled', 'the work was cancelled');
  };
  for (const entry of entriesBetween(index, points)) {
    series.add(entry, (digest, sign) => {
      digest.entry(sign, entry);
    });
    await pause();
  }
  for (const node of nodesBetween(index, points)) {
    series.add(node, (digest, sign) => {
      digest.node(sign, node);
    });
    for (const row of contentOf({ index, core }, node)) {
      series.add(row, (digest, sign) => {
        digest.blocks(sign, { node: node.id, size: node.size }, row);
      });
      await pause();
    }
    await pause();
  }
  return series.sums();
}

/** Points at which something holds: `born` and all before `died`. */
interface Interval {
  readonly born: number;
  readonly died: number;
}

class DigestSeries {
  readonly #core: HashCore;
  readonly #points: readonly number[];
  /** What each point has more and less than the one before. */
  readonly #changes: readonly PointDigest[];

  constructor(core: HashCore, points: readonly number[]) {
    this.#core = core;
    this.#points = points;
    this.#changes = points.map(() => new PointDigest(core));
  }

  add(
    { born, died }: Interval,
    element: (digest: PointDigest, sign: 'add' | 'remove') => void,
  ): void {
    const from = this.#firstFrom(born);
    const to = this.#firstFrom(died);
    if (from === to) return;
    const [begins, ends] = [this.#changes[from], this.#changes[to]];
    if (begins !== undefined) element(begins, 'add');
    if (ends !== undefined) element(ends, 'remove');
  }

  sums(): ComputedDigest[] {
    const lanes = new Uint16Array(SET_HASH_BYTES / 2);
    return this.#points.map((point, at) => {
      const change = this.#changes[at]?.state() ?? Buffer.alloc(SET_HASH_BYTES);
      const state = Buffer.alloc(SET_HASH_BYTES);
      for (const [lane, value] of lanes.entries()) {
        const sum = (value + change.readUInt16LE(2 * lane)) & 0xffff;
        lanes[lane] = sum;
        state.writeUInt16LE(sum, 2 * lane);
      }
      return { point, digest: this.#core.digest(state), state };
    });
  }

  /** Place of the first point that is not before `point`. */
  #firstFrom(point: number): number {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#points[middle] ?? Infinity) < point) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function bounds(points: readonly number[]): [number, number] {
  return [points.at(-1) ?? 0, points[0] ?? 0];
}

function entriesBetween(index: IndexDb, points: readonly number[]): Generator<EntryRow> {
  const between = bounds(points);
  return paged<EntryRow>(index, {
    sql: `SELECT parent, name, born, died, node FROM entry
          WHERE (parent, name, born) > (?, ?, ?) AND born <= ? AND died > ?
          ORDER BY parent, name, born LIMIT ?`,
    start: [-1, Buffer.alloc(0), 0, ...between],
    cursorOf: ({ parent, name, born }) => [parent, name, born, ...between],
  });
}

function nodesBetween(index: IndexDb, points: readonly number[]): Generator<NodeRow> {
  const between = bounds(points);
  return paged<NodeRow>(index, {
    sql: `SELECT * FROM node WHERE (id, born) > (?, ?) AND born <= ? AND died > ?
          ORDER BY id, born LIMIT ?`,
    start: [-1, 0, ...between],
    cursorOf: ({ id, born }) => [id, born, ...between],
  });
}

/** Rows of a version's block digests, each over the points at which it had these. */
function* contentOf(
  { index, core }: Pick<RecomputeRequest, 'index' | 'core'>,
  { body, size, born, died }: NodeRow,
): Generator<Interval & { readonly first: number; readonly digests: Buffer }> {
  if (body === null || size === 0) return;
  const rows = index.all<{ first: number; hi: number | null }>(
    `SELECT 0 AS first, NULL AS hi
     UNION SELECT first, NULL FROM digests WHERE body = ?
     UNION SELECT block - block % ${DIGESTS_PER_ROW}, min(hi, ?) FROM before WHERE body = ? AND hi >= ?
     ORDER BY first, hi`,
    body,
    died - 1,
    body,
    born,
  );
  let from = born;
  for (const [at, { first, hi }] of rows.entries()) {
    const next = rows[at + 1];
    // A row without `hi` comes first of its kind and says only that there is one.
    if (hi === null && next?.first === first) continue;
    const isLast = next?.first !== first;
    if (hi !== null && hi >= from) {
      const digests = digestRowAt(index, core, { body, size, first, point: hi });
      yield { first, digests, born: from, died: hi + 1 };
      from = hi + 1;
    }
    if (isLast) {
      if (from < died) {
        const digests = digestRowAt(index, core, { body, size, first, point: from });
        yield { first, digests, born: from, died };
      }
      from = born;
    }
  }
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
  const points = missing.map(({ point }) => point);
  for await (const { point, state: lanes } of recomputeDigests({ index, core, points })) {
    const row = missing.find((each) => each.point === point);
    const isKnown = storedDigest(index, point) !== undefined;
    index.durably(() => {
      const digest = storePointDigest(index, point, new PointDigest(core, lanes));
      if (!isKnown && row !== undefined) duePoint(index, { ...row, digest });
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
