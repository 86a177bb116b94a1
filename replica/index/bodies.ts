/** What the index says of a body without what it holds. */
import type { IndexDb } from './index-db.js';

/** One of `Place`; undefined when no row names the body. */
export function placeOf(index: IndexDb, body: number): number | undefined {
  return index.get<{ place: number }>('SELECT place FROM body WHERE id = ?', body)?.place;
}

/** Whether digests or before-images of the body are kept: one that was removed has none. */
export function hasContentRows(index: IndexDb, body: number): boolean {
  const digests = index.get('SELECT 1 FROM digests WHERE body = ? LIMIT 1', body);
  return (digests ?? index.get('SELECT 1 FROM before WHERE body = ? LIMIT 1', body)) !== undefined;
}
