/**
 * Removes points from a set that is open: for each gap between live points one transaction that
 * deletes the points and the rows that only they needed, then the files of bodies that ended (R4).
 * A crash in between leaves files that no row names; the start sweeps them. Runs under the set's
 * lock (`SetWriter.exclusively`); points that stay are not touched, and none is renumbered.
 */
import fs from 'node:fs';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { recordRemoval } from '../certify/certificates-due.js';
import { atticPath } from '../history/body-files.js';
import type { SetStore } from '../history/set-store.js';
import { newestPoint } from '../index/nodes.js';
import { bodiesIn, type Gap, gapsOf, pruneGap, type PrunedRows } from '../index/prune-rows.js';

export interface PruneRequest {
  /** Points to remove; those that are gone already count as done. */
  readonly points: readonly number[];
  /** Who decided, as the record of the removal shall say. */
  readonly reason: {
    readonly policy: string;
    readonly by: string;
    /** Replica's clock, ms since the epoch. */
    readonly timeMs: number;
  };
  /**
   * Asked for each gap's points at the last moment, in the same turn as the commit: false keeps the
   * gap as it is (a hold came, somebody reads).
   */
  readonly mayGo?: (points: readonly number[]) => boolean;
  /** Ends the work after the gap under way. */
  readonly signal?: AbortSignal;
  /** Called after each gap. */
  readonly onGap?: (result: PruneResult) => void;
  /** Where a crash makes a difference; tests stop there. */
  readonly reached?: (step: 'deleted' | 'committed' | 'unlinked') => void;
}

export interface PruneResult {
  removed: number[];
  /** Points that could not go yet. */
  deferred: number[];
  /** Rows of all tables that went. */
  rows: number;
  /** Files of old bodies that were unlinked, and the bytes that the file system got back. */
  files: number;
  fileBytes: number;
  /** Bytes of pack records that nothing names any more; rewriting packs gives them back. */
  recordBytes: number;
}

/**
 * Removes points. What it did stands in the result even when a later gap failed: each gap is whole.
 * @throws AfterimageError `argument-invalid` for the newest point, storage errors, `cancelled`
 */
export async function prunePoints(store: SetStore, request: PruneRequest): Promise<PruneResult> {
  const index = store.writer;
  const newest = newestPoint(index);
  const result = emptyResult();
  const all = index.all<{ point: number }>('SELECT point FROM point ORDER BY point');
  const asked = new Set(request.points);
  if (asked.has(newest) && newest > 0) {
    throw new AfterimageError('argument-invalid', `point ${newest} is the newest, which stays`);
  }
  const gone = all.map(({ point }) => point).filter((point) => asked.has(point));
  const live = all.map(({ point }) => point).filter((point) => !asked.has(point));
  for (const gap of gapsOf(live, gone)) {
    if (request.signal?.aborted === true) {
      throw new AfterimageError('cancelled', 'removing points was cancelled');
    }
    const points = gone.filter((point) => point > gap.after && point < gap.before);
    const rows = await removeGap(store, { gap, points }, request);
    if (rows === undefined) result.deferred.push(...points);
    else {
      result.removed.push(...points);
      addRows(result, rows);
      await unlinkBodies(store, rows.bodies, result);
      request.reached?.('unlinked');
    }
    request.onGap?.(result);
  }
  return result;
}

/** The transaction of one gap; undefined when it may not go. */
async function removeGap(
  store: SetStore,
  at: { readonly gap: Gap; readonly points: readonly number[] },
  request: PruneRequest,
): Promise<PrunedRows | undefined> {
  const { writer: index, source, promised } = store;
  const { reason, mayGo = () => true } = request;
  // A sync under way was told that their blocks are here (R10): their gap stays for now.
  const isPromised = (body: number): boolean => promised.has(body);
  if (!mayGo(at.points)) return undefined;
  for (const body of bodiesIn(index, at.gap)) if (isPromised(body)) return undefined;
  index.db.pragma('synchronous = FULL');
  index.db.exec('BEGIN IMMEDIATE');
  try {
    const slice = new TimeSlice();
    const rows = await pruneGap({ index, core: source.core, slice }, at.gap);
    recordRemoval(index, { points: at.points, ...reason });
    if (rows.bodies.some(isPromised) || !mayGo(at.points)) {
      index.db.exec('ROLLBACK');
      return undefined;
    }
    request.reached?.('deleted');
    index.db.exec('COMMIT');
    request.reached?.('committed');
    store.certify();
    return rows;
  } catch (error) {
    if (index.db.inTransaction) index.db.exec('ROLLBACK');
    throw error;
  }
}

async function unlinkBodies(
  store: SetStore,
  bodies: readonly number[],
  result: PruneResult,
): Promise<void> {
  const slice = new TimeSlice();
  for (const body of bodies) {
    // A descriptor kept open would keep the space.
    store.source.bodies.forget(body);
    const file = atticPath(store.folder, body);
    try {
      const bytes = fs.lstatSync(file).blocks * 512;
      fs.unlinkSync(file);
      result.files += 1;
      result.fileBytes += bytes;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    await slice.breathe();
  }
}

function emptyResult(): PruneResult {
  return { removed: [], deferred: [], rows: 0, files: 0, fileBytes: 0, recordBytes: 0 };
}

function addRows(result: PruneResult, rows: PrunedRows): void {
  const { points, nodes, entries, names, beforeRows, bodies } = rows;
  result.rows += points + nodes + entries + names + beforeRows + bodies.length;
  result.recordBytes += rows.recordBytes;
}
