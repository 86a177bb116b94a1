/**
 * The first stage of a round: is the index as it was written? Pages against their twins, SQLite's own
 * check, rows against each other, and each point's rows against its digest (R26). A point whose rows
 * do not come out as its digest is not read any more: what it held cannot be told (promise 2).
 */
import path from 'node:path';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { recomputeDigests } from '../certify/recompute.js';
import { storedDigest } from '../certify/point-digest.js';
import type { SetStore } from '../history/set-store.js';
import { StoredSetReader } from '../history/stored-set-reader.js';
import { chainContradiction } from './check-index.js';
import { checkRows } from './check-rows.js';
import { checkSqlite } from './check-sqlite.js';
import type { IndexTwin } from './index-twin.js';
import type { FindingRow, ScrubDb } from './scrub-db.js';

export interface IndexScrubDeps {
  readonly store: SetStore;
  readonly core: HashCore;
  readonly db: ScrubDb;
  readonly twin: IndexTwin;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly exclusively: (work: () => void | Promise<void>) => Promise<void>;
  readonly took: (bytes: number) => Promise<void>;
  readonly find: (finding: FindingRow) => void;
  /** False when the index is so wrong that looking at it failed, which was found then. */
  readonly unlessBroken: (look: () => Promise<void>) => Promise<boolean>;
}

/** What a row of an index counts as, in bytes read. */
export const ROW_BYTES = 128;
export const ROWS_A_STEP = 512;

export async function scrubIndex(deps: IndexScrubDeps): Promise<void> {
  const { store, signal, find, unlessBroken } = deps;
  await comparePages(deps);
  for (const message of await checkSqlite(path.join(store.folder, 'index.db'), signal)) {
    find({ kind: 'index', point: null, path: null, message: `SQLite: ${message}` });
  }
  await unlessBroken(async () => {
    checkChain(deps);
    await lookAtRows(deps);
  });
  await comparePoints(deps);
}

async function comparePages({ store, twin, db, log, took, find, exclusively }: IndexScrubDeps) {
  const slice = new TimeSlice();
  await exclusively(() => twin.settle(store.writer, slice));
  const seen = { found: 0, repaired: 0 };
  const lookAt = (page: number): void => {
    const look = twin.repair(page, () => {
      forgetPages(store);
    });
    if (look === 'sound') return;
    seen.found += 1;
    if (look === 'repaired') seen.repaired += 1;
    const message = `page ${page} of the index, or its twin, was not as it was written: ${look}`;
    log.warn(message, { set: store.set });
    if (look === 'lost') find({ kind: 'index', point: null, path: null, message });
  };
  try {
    for (const { bytes, pages } of twin.suspects()) {
      for (const page of pages) {
        await exclusively(() => {
          lookAt(page);
        });
      }
      await took(bytes);
    }
  } catch (error) {
    // Rot in the twin's own file ends neither this round nor all that come.
    if (!twin.renewIfBroken(error)) throw error;
    log.warn("the index's twin was broken; it is made anew", { set: store.set });
    await exclusively(() => twin.settle(store.writer, slice));
  }
  db.count(seen);
}

/** Lets both connections read the index's file again. */
function forgetPages({ index, writer }: SetStore): void {
  for (const { db } of [index, writer]) db.pragma('shrink_memory');
}

function checkChain({ store, find }: IndexScrubDeps): void {
  const points = new StoredSetReader(store).points();
  for (const [index, point] of points.entries()) {
    const message = chainContradiction(points[index - 1], point);
    if (message !== undefined) find({ kind: 'index', point: point.point, path: null, message });
  }
}

async function lookAtRows({ store, find, took }: IndexScrubDeps): Promise<void> {
  let looked = 0;
  for (const finding of checkRows(store.index)) {
    looked += 1;
    if (finding !== undefined) find({ kind: 'index', ...finding });
    if (looked % ROWS_A_STEP === 0) await took(ROWS_A_STEP * ROW_BYTES);
  }
  await took((looked % ROWS_A_STEP) * ROW_BYTES);
}

async function comparePoints(deps: IndexScrubDeps): Promise<void> {
  const { store, db, find, unlessBroken } = deps;
  let points: number[] = [];
  let bad: readonly number[] = [];
  const isWhole = await unlessBroken(async () => {
    points = store.index
      .all<{ point: number }>('SELECT point FROM point ORDER BY point')
      .map(({ point }) => point);
    bad = await unlikeDigests(deps, points);
    // Points may have been removed meanwhile; those that stay must come out the same again.
    if (bad.length > 0) bad = await unlikeDigests(deps, bad);
  });
  const why = isWhole
    ? 'its rows do not come out as its digest'
    : 'its rows cannot be compared with its digest';
  store.distrusted.clear();
  db.clearPoints();
  for (const point of isWhole ? bad : points) {
    store.distrusted.add(point);
    find({ kind: 'point', point, path: null, message: `${why}: it is not read any more` });
  }
}

/** Points whose rows do not come out as their digests. */
async function unlikeDigests(
  { store, core, signal }: IndexScrubDeps,
  points: readonly number[],
): Promise<number[]> {
  const { index } = store;
  const bad: number[] = [];
  for await (const { point, digest } of recomputeDigests({ index, core, points, signal })) {
    const isThere = index.get('SELECT 1 FROM point WHERE point = ?', point) !== undefined;
    if (isThere && storedDigest(index, point)?.equals(digest) !== true) bad.push(point);
  }
  return bad;
}
