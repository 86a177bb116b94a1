/** Finds every version of every path that matches a glob, over a range of points. */
import { SET_NODE } from '../../shared/protocol/records.js';
import { AfterimageError } from '../../shared/errors.js';
import { parsePathText, toPathText } from '../../shared/path-text.js';
import type { IndexDb } from '../index/index-db.js';
import { candidateNames } from '../index/names.js';
import { type EntryRow, joinPath, nodeAt, type NodeRow, toVersion } from '../index/nodes.js';
import { LIVE } from '../index/schema.js';
import { compileGlob, type Glob, longestLiteral } from './glob.js';
import type { FoundVersion } from './set-reader.js';

interface Interval {
  readonly from: number;
  /** Last point, inclusive. */
  readonly to: number;
}

interface Placed extends Interval {
  readonly parts: readonly Buffer[];
}

export interface FindRequest {
  readonly glob: string;
  readonly from: number;
  readonly to: number;
  readonly limit: number;
  readonly newest: number;
}

export function findVersions(index: IndexDb, request: FindRequest): FoundVersion[] {
  const byPath = request.glob.includes('/');
  const lastPart = byPath ? request.glob.slice(request.glob.lastIndexOf('/') + 1) : request.glob;
  const namePattern = compileGlob(lastPart === '**' ? '*' : lastPart);
  const pathPattern = byPath ? compileGlob(request.glob.replace(/^\//, '')) : undefined;
  const found: FoundVersion[] = [];
  const folders = byPath ? literalFolders(request.glob) : undefined;
  const entries =
    folders === undefined
      ? entriesByName(index, request, { namePattern, literal: longestLiteral(lastPart) })
      : entriesIn(index, request, { namePattern, folders });
  for (const entry of entries) {
    collect(index, { entry, request, pathPattern }, found);
    if (found.length >= request.limit) return found.slice(0, request.limit);
  }
  return found.sort((a, b) => a.path.compare(b.path) || a.from - b.from);
}

/** Names that match, one by one: a search that has enough looks no further. */
function* entriesByName(
  index: IndexDb,
  range: Interval,
  by: { readonly namePattern: Glob; readonly literal: string },
): Generator<EntryRow> {
  for (const name of candidateNames(index, by.literal)) {
    if (by.namePattern.test(toPathText(name))) yield* entriesNamed(index, name, range);
  }
}

/** The components before the last, when none of them has a wildcard: the names of folders. */
function literalFolders(glob: string): Buffer[] | undefined {
  const parts = glob.replace(/^\//, '').split('/').slice(0, -1);
  const names: Buffer[] = [];
  for (const part of parts) {
    const name = /[*?[]/.test(part) ? undefined : nameOf(part);
    if (name === undefined) return undefined;
    names.push(name);
  }
  // Below `**` lies more than the folder's own names.
  return glob.endsWith('/**') ? undefined : names;
}

/** The bytes whose text this is, if there are any. */
function nameOf(text: string): Buffer | undefined {
  try {
    const name = parsePathText(text);
    return toPathText(name) === text ? name : undefined;
  } catch (error) {
    if (error instanceof AfterimageError) return undefined;
    throw error;
  }
}

/** What ever lay, in the interval, in a folder of this path; whether at the same time is not looked at. */
function* entriesIn(
  index: IndexDb,
  range: Interval,
  by: { readonly namePattern: Glob; readonly folders: readonly Buffer[] },
): Generator<EntryRow> {
  let nodes = new Set<number>([SET_NODE]);
  for (const name of by.folders) {
    const below = [...nodes].flatMap((parent) =>
      index.all<{ node: number }>(
        'SELECT node FROM entry WHERE parent = ? AND name = ? AND born <= ? AND died > ?',
        parent,
        name,
        range.to,
        range.from,
      ),
    );
    nodes = new Set(below.map(({ node }) => node));
  }
  for (const parent of nodes) {
    const entries = index.iterate<EntryRow>(
      `SELECT parent, name, born, died, node FROM entry
       WHERE parent = ? AND born <= ? AND died > ? ORDER BY name, born`,
      parent,
      range.to,
      range.from,
    );
    for (const entry of entries) if (by.namePattern.test(toPathText(entry.name))) yield entry;
  }
}

function entriesNamed(index: IndexDb, name: Buffer, range: Interval): EntryRow[] {
  return index.all<EntryRow>(
    'SELECT parent, name, born, died, node FROM entry WHERE name = ? AND born <= ? AND died > ? ORDER BY parent, born',
    name,
    range.to,
    range.from,
  );
}

function collect(
  index: IndexDb,
  at: { entry: EntryRow; request: FindRequest; pathPattern: Glob | undefined },
  found: FoundVersion[],
): void {
  const { entry, request, pathPattern } = at;
  const within = overlap({ from: entry.born, to: entry.died - 1 }, request);
  if (within === undefined) return;
  for (const placed of pathsOf(index, entry.parent, within)) {
    const path = joinPath([...placed.parts, entry.name]);
    if (pathPattern !== undefined && !pathPattern.test(toPathText(path))) continue;
    for (const row of versionsOf(index, entry.node, placed)) {
      const held = overlap(placed, { from: row.born, to: row.died - 1 });
      const interval = held === undefined ? undefined : livePart(index, held);
      if (interval === undefined) continue;
      const live = row.died === LIVE && entry.died === LIVE && placed.to >= request.newest;
      found.push({
        path,
        version: toVersion(row),
        from: interval.from,
        to: Math.min(interval.to, request.newest),
        live,
      });
    }
  }
}

/** Where a folder stood over an interval: one row for each stretch in which its path was the same. */
function pathsOf(index: IndexDb, folder: number, interval: Interval): Placed[] {
  if (folder === SET_NODE) return [{ ...interval, parts: [] }];
  const rows = index.all<EntryRow>(
    'SELECT parent, name, born, died, node FROM entry WHERE node = ? AND born <= ? AND died > ? ORDER BY born',
    folder,
    interval.to,
    interval.from,
  );
  return rows.flatMap((row) => {
    const within = overlap({ from: row.born, to: row.died - 1 }, interval);
    if (within === undefined) return [];
    return pathsOf(index, row.parent, within).map((above) => ({
      ...above,
      parts: [...above.parts, row.name],
    }));
  });
}

function versionsOf(index: IndexDb, node: number, interval: Interval): NodeRow[] {
  const first = nodeAt(index, node, interval.from);
  const later = index.all<{ born: number }>(
    'SELECT born FROM node WHERE id = ? AND born > ? AND born <= ? ORDER BY born',
    node,
    interval.from,
    interval.to,
  );
  const rows = later.map(({ born }) => nodeAt(index, node, born));
  return [first, ...rows].filter((row) => row !== undefined);
}

/** The interval from its first to its last point that retention left. */
function livePart(index: IndexDb, { from, to }: Interval): Interval | undefined {
  const row = index.get<{ first: number | null; last: number | null }>(
    `SELECT (SELECT point FROM point WHERE point >= ? ORDER BY point LIMIT 1) AS first,
            (SELECT point FROM point WHERE point <= ? ORDER BY point DESC LIMIT 1) AS last`,
    from,
    to,
  );
  if (row?.first == null || row.last === null || row.first > row.last) return undefined;
  return { from: row.first, to: row.last };
}

function overlap(a: Interval, b: Interval): Interval | undefined {
  const from = Math.max(a.from, b.from);
  const to = Math.min(a.to, b.to);
  return from <= to ? { from, to } : undefined;
}
