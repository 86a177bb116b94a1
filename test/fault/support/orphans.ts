/**
 * What lies in a set's folder on the replica and what its index says of it, held against each other:
 * files that no row names (orphans, R4) and files that rows name and that are not there (missing).
 * For a set that rests: while a sync is under way its files are all over the place, and rightly so.
 */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { errnoOf } from '../../../shared/errors.js';
import { Place } from '../../../replica/index/schema.js';

export interface SetInspection {
  readonly orphans: readonly string[];
  readonly missing: readonly string[];
}

const FAN_OUT = 1024;

/** @param setFolder of a set that rests; its replica may run */
export function inspectSet(setFolder: string): SetInspection {
  const db = new Database(path.join(setFolder, 'index.db'), { readonly: true });
  try {
    const attic = inspectAttic(setFolder, db);
    const packs = inspectPacks(setFolder, db);
    return {
      orphans: [...attic.orphans, ...packs.orphans],
      missing: [...attic.missing, ...packs.missing],
    };
  } finally {
    db.close();
  }
}

function inspectAttic(setFolder: string, db: Database.Database): SetInspection {
  const named = new Set(
    db
      .prepare<[number], { id: number }>('SELECT id FROM body WHERE place = ?')
      .all(Place.attic)
      .map(({ id }) => path.join('attic', String(Math.floor(id / FAN_OUT)), String(id))),
  );
  const there = (namesIn(path.join(setFolder, 'attic')) ?? []).flatMap((fan) =>
    (namesIn(path.join(setFolder, 'attic', fan)) ?? []).map((name) =>
      path.join('attic', fan, name),
    ),
  );
  return {
    orphans: there.filter((file) => !named.has(file)),
    missing: [...named].filter((file) => !there.includes(file)),
  };
}

function inspectPacks(setFolder: string, db: Database.Database): SetInspection {
  const rows = db
    .prepare<[], { pack: number; end: number }>(
      'SELECT pack, max(offset + length) AS end FROM before WHERE pack IS NOT NULL GROUP BY pack',
    )
    .all();
  const ends = new Map(rows.map(({ pack, end }) => [pack, end]));
  const tail = tailOf(db);
  const orphans: string[] = [];
  const missing: string[] = [];
  const sizes = new Map<number, number>();
  for (const name of namesIn(path.join(setFolder, 'packs')) ?? []) {
    const pack = /^\d{8}\.pack$/.test(name) ? Number.parseInt(name, 10) : NaN;
    sizes.set(pack, fs.statSync(path.join(setFolder, 'packs', name)).size);
    if (!ends.has(pack) && pack !== tail.newest) orphans.push(`packs/${name}`);
  }
  for (const [pack, end] of ends) {
    const bytes = sizes.get(pack) ?? 0;
    if (bytes < end) missing.push(`pack ${pack}: ${bytes} bytes, and rows name ${end}`);
  }
  const beyond = (sizes.get(tail.newest) ?? tail.end) - tail.end;
  if (beyond > 0) orphans.push(`${beyond} bytes behind the tail of pack ${tail.newest}`);
  return { orphans, missing };
}

function tailOf(db: Database.Database): { readonly newest: number; readonly end: number } {
  const row = db
    .prepare<[], { value: string }>("SELECT value FROM meta WHERE key = 'pack_tail'")
    .get();
  if (row === undefined) return { newest: 0, end: 0 };
  return JSON.parse(row.value) as { newest: number; end: number };
}

function namesIn(folder: string): string[] | undefined {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
