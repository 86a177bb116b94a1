/** Which records of which packs the index names, and the move of a record to another place. */
import type { PackPlace, PackTail } from '../history/packs.js';
import type { IndexDb } from './index-db.js';

/** A row of `before` that names a record. */
export interface NamedRecord extends PackPlace {
  readonly body: number;
  readonly block: number;
  readonly hi: number;
}

/**
 * The newest pack and its end, as the last transaction that named records noted it. Undefined when
 * rows name a record beyond it: one of the two rotted, and nothing may be cut off by it.
 */
export function packTail(index: IndexDb): PackTail | undefined {
  const row = index.get<{ value: string }>("SELECT value FROM meta WHERE key = 'pack_tail'");
  const tail = row === undefined ? { newest: 0, end: 0 } : (JSON.parse(row.value) as PackTail);
  const named = index.get<PackTail>(
    `SELECT pack AS newest, offset + length AS end FROM before
     WHERE pack IS NOT NULL ORDER BY pack DESC, offset DESC LIMIT 1`,
  );
  const isWhole =
    named === undefined ||
    tail.newest > named.newest ||
    (tail.newest === named.newest && tail.end >= named.end);
  return isWhole ? tail : undefined;
}

/** Part of the transaction that names what was appended. */
export function notePackTail(index: IndexDb, tail: PackTail): void {
  index.run(
    "INSERT OR REPLACE INTO meta (key, value) VALUES ('pack_tail', ?)",
    JSON.stringify(tail),
  );
}

export function isPackNamed(index: IndexDb, pack: number): boolean {
  return index.get('SELECT 1 FROM before WHERE pack = ? LIMIT 1', pack) !== undefined;
}

/** The packs that rows name, each with the end of the last record named. */
export function namedPacks(index: IndexDb): PackTail[] {
  return index.all<PackTail>(
    `SELECT pack AS newest, max(offset + length) AS end FROM before
     WHERE pack IS NOT NULL GROUP BY pack`,
  );
}

/** Bytes of the pack's records that rows name. */
export function namedBytes(index: IndexDb, pack: number): number {
  return (
    index.get<{ bytes: number | null }>(
      'SELECT sum(length) AS bytes FROM before WHERE pack = ?',
      pack,
    )?.bytes ?? 0
  );
}

/** The first records of a pack that rows name, in their order. */
export function recordsOf(index: IndexDb, pack: number, limit: number): NamedRecord[] {
  return index.all<NamedRecord>(
    `SELECT body, block, hi, pack, offset, length FROM before
     WHERE pack = ? ORDER BY offset LIMIT ?`,
    pack,
    limit,
  );
}

/** Lets a row name its record at another place; inside a transaction. */
export function moveRecord(index: IndexDb, from: NamedRecord, to: PackPlace): void {
  index.run(
    `UPDATE before SET pack = ?, offset = ?, length = ?
     WHERE body = ? AND block = ? AND hi = ? AND pack = ? AND offset = ?`,
    to.pack,
    to.offset,
    to.length,
    from.body,
    from.block,
    from.hi,
    from.pack,
    from.offset,
  );
}
