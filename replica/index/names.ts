/**
 * Name search (R28): distinct names, with a trigram index over their text, brought up to date after
 * each cut. Until it is, `find` reads the entries themselves.
 */
import { toPathText } from '../../shared/path-text.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from './index-db.js';

const BATCH = 500;

/** Adds the names a point brought; with no intent at hand, all since the last time. */
export async function indexNames(
  index: IndexDb,
  point: number,
  intent: IndexDb | undefined,
): Promise<void> {
  const upTo = namesIndexedTo(index);
  if (upTo >= point) return;
  const names =
    intent !== undefined && upTo === point - 1
      ? intent.all<{ name: Buffer }>('SELECT DISTINCT name FROM entry WHERE node <> 0')
      : index.all<{ name: Buffer }>('SELECT DISTINCT name FROM entry WHERE born > ?', upTo);
  const slice = new TimeSlice();
  // Not urgent: lost rows are found missing at the next start, so no flush is spent on them.
  index.db.pragma('synchronous = NORMAL');
  for (let at = 0; at < names.length; at += BATCH) {
    const batch = names.slice(at, at + BATCH);
    index.db.transaction(() => {
      for (const { name } of batch) addName(index, name);
    })();
    await slice.breathe();
  }
  index.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('names_to', ?)", point);
  index.db.pragma('synchronous = FULL');
}

function addName(index: IndexDb, name: Buffer): void {
  const result = index.prepare('INSERT OR IGNORE INTO name (name) VALUES (?)').run(name);
  if (result.changes === 0) return;
  index.run(
    'INSERT INTO name_text (rowid, text) VALUES (?, ?)',
    result.lastInsertRowid,
    toPathText(name),
  );
}

/** Newest point whose names are all searchable. */
export function namesIndexedTo(index: IndexDb): number {
  return index.get<{ value: number }>("SELECT value FROM meta WHERE key = 'names_to'")?.value ?? 0;
}

/** Names that may match: those holding `literal`, or all when it is too short to look up. */
export function* candidateNames(index: IndexDb, literal: string): Generator<Buffer> {
  if (
    namesIndexedTo(index) < (index.get<{ p: number }>('SELECT max(point) AS p FROM point')?.p ?? 0)
  ) {
    for (const { name } of index.iterate<{ name: Buffer }>('SELECT DISTINCT name FROM entry'))
      yield name;
    return;
  }
  const sql =
    literal.length >= 3
      ? 'SELECT n.name AS name FROM name_text t JOIN name n ON n.id = t.rowid WHERE t.text MATCH ?'
      : 'SELECT name FROM name WHERE ? IS NOT NULL';
  const term = literal.length >= 3 ? `"${literal.replaceAll('"', '""')}"` : '';
  for (const { name } of index.iterate<{ name: Buffer }>(sql, term)) yield name;
}
