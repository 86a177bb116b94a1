/**
 * Deletes what no live point needs, a gap between two live points at a time (R28): a row that was
 * born after the one and ended before the other. Costs what changed in the gap. Runs inside the
 * caller's transaction.
 */
import type { HashCore } from '../../shared/hash/hash-core.js';
import { toPathText } from '../../shared/path-text.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from './index-db.js';
import { dropDigests, dropOutdated, type LocatedBlock } from './locate-rows.js';
import { paged } from './paged.js';
import { LIVE, Place } from './schema.js';

/** Two live points with no live point between them. */
export interface Gap {
  /** 0 when there is no older one. */
  readonly after: number;
  readonly before: number;
}

export interface PrunedRows {
  points: number;
  nodes: number;
  entries: number;
  names: number;
  beforeRows: number;
  /** Bytes of pack records that no row names any more. */
  recordBytes: number;
  /** Bodies that ended; their files are to be unlinked after the commit (R4). */
  readonly bodies: number[];
}

export interface PruneRowsDeps {
  readonly index: IndexDb;
  readonly core: HashCore;
  readonly slice: TimeSlice;
}

/** The gaps around the points to go; `live` (ascending) is what stays, the newest point among it (R4). */
export function gapsOf(live: readonly number[], gone: readonly number[]): Gap[] {
  const gaps: Gap[] = [];
  let at = 0;
  for (const point of [...gone].sort((a, b) => a - b)) {
    while ((live[at] ?? Infinity) < point) at += 1;
    const before = live[at];
    const after = live[at - 1] ?? 0;
    if (before === undefined || gaps.at(-1)?.before === before) continue;
    gaps.push({ after, before });
  }
  return gaps;
}

/** Deletes the gap's points and every row that holds in the gap only. */
export async function pruneGap(deps: PruneRowsDeps, gap: Gap): Promise<PrunedRows> {
  const pruned: PrunedRows = {
    points: 0,
    nodes: 0,
    entries: 0,
    names: 0,
    beforeRows: 0,
    recordBytes: 0,
    bodies: [],
  };
  await pruneBefore(deps, gap, pruned);
  await pruneBodies(deps, gap, pruned);
  await pruneNodes(deps, gap, pruned);
  await pruneEntries(deps, gap, pruned);
  pruned.points = deps.index.run(
    'DELETE FROM point WHERE point > ? AND point < ?',
    gap.after,
    gap.before,
  );
  return pruned;
}

/** Bodies that hold in the gap only. */
export function* bodiesIn(index: IndexDb, gap: Gap): Generator<number> {
  const rows = paged<{ id: number; died: number }>(index, {
    sql: `SELECT id, died FROM body WHERE (died, id) > (?, ?) AND died <= ? AND born > ?
          AND died < ${LIVE} ORDER BY died, id LIMIT ?`,
    start: [gap.after + 1, -1, gap.before, gap.after],
    cursorOf: ({ id, died }) => [died, id, gap.before, gap.after],
  });
  for (const { id } of rows) yield id;
}

async function pruneBefore(
  { index, slice }: PruneRowsDeps,
  gap: Gap,
  pruned: PrunedRows,
): Promise<void> {
  const rows = paged<LocatedBlock & { hi: number; length: number }>(index, {
    sql: `SELECT body, block, hi, digest, length FROM before
          WHERE (hi, body, block) > (?, ?, ?) AND hi < ? AND lo > ? ORDER BY hi, body, block LIMIT ?`,
    start: [gap.after, Number.MAX_SAFE_INTEGER, -1, gap.before, gap.after],
    cursorOf: ({ hi, body, block }) => [hi, body, block, gap.before, gap.after],
  });
  for (const row of rows) {
    dropOutdated(index, row);
    index.run(
      'DELETE FROM before WHERE body = ? AND block = ? AND hi = ?',
      row.body,
      row.block,
      row.hi,
    );
    pruned.beforeRows += 1;
    pruned.recordBytes += row.length;
    await slice.breathe();
  }
}

async function pruneBodies(deps: PruneRowsDeps, gap: Gap, pruned: PrunedRows): Promise<void> {
  for (const body of bodiesIn(deps.index, gap)) {
    await dropDigests(deps.index, deps, body);
    retireBody(deps.index, body);
    pruned.bodies.push(body);
  }
  deps.index.run(
    `DELETE FROM body WHERE died = 0 AND died < ${LIVE} AND id < (SELECT max(id) FROM body)`,
  );
}

/** The highest number is kept as a mark that names nothing, so that it is not given out again. */
function retireBody(index: IndexDb, body: number): void {
  const higher = index.get('SELECT 1 FROM body WHERE id > ? LIMIT 1', body);
  if (higher === undefined) {
    index.run(
      'UPDATE body SET born = 0, died = 0, place = ?, size = 0 WHERE id = ?',
      Place.nowhere,
      body,
    );
    return;
  }
  index.run('DELETE FROM body WHERE id = ?', body);
}

async function pruneNodes(
  { index, slice }: PruneRowsDeps,
  gap: Gap,
  pruned: PrunedRows,
): Promise<void> {
  const rows = paged<{ id: number; born: number; died: number }>(index, {
    sql: `SELECT id, born, died FROM node WHERE (died, id, born) > (?, ?, ?) AND died <= ? AND born > ?
          AND died < ${LIVE} ORDER BY died, id, born LIMIT ?`,
    start: [gap.after + 1, -1, -1, gap.before, gap.after],
    cursorOf: ({ id, born, died }) => [died, id, born, gap.before, gap.after],
  });
  for (const { id, born } of rows) {
    index.run('DELETE FROM node WHERE id = ? AND born = ?', id, born);
    pruned.nodes += 1;
    await slice.breathe();
  }
}

interface DeadEntry {
  readonly parent: number;
  readonly name: Buffer;
  readonly born: number;
  readonly died: number;
}

async function pruneEntries(
  { index, slice }: PruneRowsDeps,
  gap: Gap,
  pruned: PrunedRows,
): Promise<void> {
  const rows = paged<DeadEntry>(index, {
    sql: `SELECT parent, name, born, died FROM entry
          WHERE (died, parent, name, born) > (?, ?, ?, ?) AND died <= ? AND born > ?
          AND died < ${LIVE} ORDER BY died, parent, name, born LIMIT ?`,
    start: [gap.after + 1, -1, Buffer.alloc(0), -1, gap.before, gap.after],
    cursorOf: ({ parent, name, born, died }) => [died, parent, name, born, gap.before, gap.after],
  });
  for (const { parent, name, born } of rows) {
    index.run('DELETE FROM entry WHERE parent = ? AND name = ? AND born = ?', parent, name, born);
    pruned.entries += 1;
    if (dropName(index, name)) pruned.names += 1;
    await slice.breathe();
  }
}

/** Takes a name that no entry has out of the search; its text has to be told again. */
function dropName(index: IndexDb, name: Buffer): boolean {
  if (index.get('SELECT 1 FROM entry WHERE name = ? LIMIT 1', name) !== undefined) return false;
  const id = index.get<{ id: number }>('SELECT id FROM name WHERE name = ?', name)?.id;
  if (id === undefined) return false;
  index.run('DELETE FROM name WHERE id = ?', id);
  index.run(
    "INSERT INTO name_text (name_text, rowid, text) VALUES ('delete', ?, ?)",
    id,
    toPathText(name),
  );
  return true;
}
