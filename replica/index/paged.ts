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

/** Nodes of an intent that satisfy `where`, by number. */
export function stagedNodes<T extends { readonly id: number }>(
  intent: IndexDb,
  query: { readonly columns: string; readonly where: string },
): Generator<T> {
  return paged<T>(intent, {
    sql: `SELECT ${query.columns} FROM node WHERE id > ? AND (${query.where}) ORDER BY id LIMIT ?`,
    start: [0],
    cursorOf: ({ id }) => [id],
  });
}
