/**
 * Rows a page at a time: memory stays bounded whatever the size of a sync, and other statements may
 * run, and change rows, between pages.
 */
import type { IndexDb } from './index-db.js';

const PAGE_ROWS = 1000;

export interface PagedQuery<T> {
  /** Takes the cursor's values, then the number of rows; ordered by the cursor, past it. */
  readonly sql: string;
  /** Values before the first row. */
  readonly start: readonly unknown[];
  readonly cursorOf: (row: T) => readonly unknown[];
}

export function* paged<T>(db: IndexDb, query: PagedQuery<T>): Generator<T> {
  let cursor = query.start;
  for (;;) {
    const rows = db.all<T>(query.sql, ...cursor, PAGE_ROWS);
    for (const row of rows) yield row;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return;
    cursor = query.cursorOf(last);
  }
}

/** A name the sync speaks of: `node` 0 takes it away, `old` is what the parent point has there. */
export interface StagedEntryRow {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
  readonly old: number;
}

/** All names of an intent, by folder and name. */
export function stagedEntries(intent: IndexDb): Generator<StagedEntryRow> {
  return paged<StagedEntryRow>(intent, {
    sql: `SELECT parent, name, node, old FROM entry
          WHERE (parent, name) > (?, ?) ORDER BY parent, name LIMIT ?`,
    start: [-1, Buffer.alloc(0)],
    cursorOf: ({ parent, name }) => [parent, name],
  });
}

/** Rows of an intent between two keys: the first is not among them, the second is. */
export interface Stretch {
  readonly after: readonly unknown[];
  readonly upTo: readonly unknown[];
}

/**
 * An intent's nodes by number, some at a time: a statement over one stretch is short, however few of
 * its rows it wants.
 */
export function nodeStretches(intent: IndexDb): Generator<Stretch> {
  return stretches(intent, {
    sql: 'SELECT id FROM node WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?',
    last: 'SELECT id FROM node WHERE id > ? ORDER BY id DESC LIMIT 1',
    start: [0],
  });
}

/** The same for its names, by folder and name. */
export function entryStretches(intent: IndexDb): Generator<Stretch> {
  return stretches(intent, {
    sql: `SELECT parent, name FROM entry
          WHERE (parent, name) > (?, ?) ORDER BY parent, name LIMIT 1 OFFSET ?`,
    last: `SELECT parent, name FROM entry
           WHERE (parent, name) > (?, ?) ORDER BY parent DESC, name DESC LIMIT 1`,
    start: [-1, Buffer.alloc(0)],
  });
}

function* stretches(
  db: IndexDb,
  query: { readonly sql: string; readonly last: string; readonly start: readonly unknown[] },
): Generator<Stretch> {
  let after = query.start;
  for (;;) {
    const full = db.get<object>(query.sql, ...after, PAGE_ROWS - 1);
    const end = full ?? db.get<object>(query.last, ...after);
    if (end === undefined) return;
    const upTo: readonly unknown[] = Object.values(end);
    yield { after, upTo };
    if (full === undefined) return;
    after = upTo;
  }
}

/** Nodes of an intent that satisfy `where`, by number. */
export function* stagedNodes<T extends { readonly id: number }>(
  intent: IndexDb,
  query: { readonly columns: string; readonly where: string },
): Generator<T> {
  const sql = `SELECT ${query.columns} FROM node
               WHERE id > ? AND id <= ? AND (${query.where}) ORDER BY id`;
  for (const { after, upTo } of nodeStretches(intent)) {
    for (const row of intent.all<T>(sql, ...after, ...upTo)) yield row;
  }
}

/** Folders whose names a sync speaks of, by number. */
export function stagedParents(intent: IndexDb): Generator<{ readonly parent: number }> {
  return paged(intent, {
    sql: `WITH RECURSIVE folders (parent) AS (
            SELECT min(parent) FROM entry WHERE parent > ?
            UNION ALL
            SELECT (SELECT min(e.parent) FROM entry e WHERE e.parent > f.parent)
            FROM folders f WHERE f.parent IS NOT NULL
          ) SELECT parent FROM folders WHERE parent IS NOT NULL LIMIT ?`,
    start: [-1],
    cursorOf: ({ parent }) => [parent],
  });
}

/**
 * A new file or link with one name, of a folder whose rows say `n`, an entry `e`: how it comes to its
 * place needs no row, and nothing waits for it. Same answer whenever it is asked: sealing changes
 * neither of the two rows.
 */
export const placedAlone = `(n.fresh = 1 AND n.kind IN (0, 2) AND NOT EXISTS (
  SELECT 1 FROM entry o WHERE o.node = e.node AND (o.parent, o.name) <> (e.parent, e.name)))`;
