/** Tier 1 of the index: nodes and entries at a point, and the newest point itself. */
import { type NodeKind, nodeKinds, SET_NODE, decodeXattrs } from '../../shared/protocol/records.js';
import { invariant } from '../../shared/errors.js';
import type { NodeVersion } from '../../shared/restore/node-version.js';
import type { TreeEntry } from '../history/tree-entry.js';
import type { IndexDb } from './index-db.js';

/** A row of `node`, as stored. */
export interface NodeRow {
  readonly id: number;
  readonly born: number;
  readonly died: number;
  readonly kind: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime_s: number;
  readonly mtime_ns: number;
  readonly rdev: number;
  readonly target: Buffer | null;
  readonly xattrs: Buffer | null;
  readonly body: number | null;
}

export interface EntryRow {
  readonly parent: number;
  readonly name: Buffer;
  readonly born: number;
  readonly died: number;
  readonly node: number;
}

const nodeColumns =
  'id, born, died, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target, xattrs, body';
const joinedColumns = nodeColumns
  .split(', ')
  .map((column) => `n.${column} AS ${column}`)
  .join(', ');
const empty = Buffer.alloc(0);

/** Nanoseconds since the epoch out of the two stored columns, and back. */
export function mtimeOf(row: { mtime_s: number; mtime_ns: number }): bigint {
  return BigInt(row.mtime_s) * 1_000_000_000n + BigInt(row.mtime_ns);
}

export function splitMtime(ns: bigint): { seconds: number; nanoseconds: number } {
  const billion = 1_000_000_000n;
  const nanoseconds = ((ns % billion) + billion) % billion;
  return { seconds: Number((ns - nanoseconds) / billion), nanoseconds: Number(nanoseconds) };
}

export function kindOf(number: number): NodeKind {
  const kind = nodeKinds[number];
  invariant(kind !== undefined, `node kind ${number}`);
  return kind;
}

export function toVersion(row: NodeRow): NodeVersion {
  return {
    node: row.id,
    kind: kindOf(row.kind),
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    size: row.size,
    mtimeNs: mtimeOf(row),
    rdev: row.rdev,
    target: row.target ?? empty,
    xattrs: row.xattrs === null ? [] : decodeXattrs(row.xattrs),
    born: row.born,
  };
}

/** The set itself, which has no row: a folder that always is. */
export const setVersion: NodeVersion = {
  node: SET_NODE,
  kind: 'folder',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: 0n,
  rdev: 0,
  target: empty,
  xattrs: [],
  born: 0,
};

export function nodeAt(index: IndexDb, node: number, point: number): NodeRow | undefined {
  const row = index.get<NodeRow>(
    `SELECT ${nodeColumns} FROM node WHERE id = ? AND born <= ? ORDER BY born DESC LIMIT 1`,
    node,
    point,
  );
  return row !== undefined && row.died > point ? row : undefined;
}

/** Whether the node ever was (dead nodes never return, R1). */
export function nodeEver(index: IndexDb, node: number): boolean {
  return index.get('SELECT 1 FROM node WHERE id = ? LIMIT 1', node) !== undefined;
}

export function entryAt(
  index: IndexDb,
  at: { parent: number; name: Uint8Array; point: number },
): EntryRow | undefined {
  const row = index.get<EntryRow>(
    `SELECT parent, name, born, died, node FROM entry
     WHERE parent = ? AND name = ? AND born <= ? ORDER BY born DESC LIMIT 1`,
    at.parent,
    at.name,
    at.point,
  );
  return row !== undefined && row.died > at.point ? row : undefined;
}

/** All names of a node at a point, in a stable order. */
export function namesAt(index: IndexDb, node: number, point: number): EntryRow[] {
  return index.all<EntryRow>(
    `SELECT parent, name, born, died, node FROM entry
     WHERE node = ? AND died > ? AND born <= ? ORDER BY parent, name`,
    node,
    point,
    point,
  );
}

/** How many names a node has at a point. */
export function linksAt(index: IndexDb, node: number, point: number): number {
  const row = index.get<{ links: number }>(
    'SELECT count(*) AS links FROM entry WHERE node = ? AND died > ? AND born <= ?',
    node,
    point,
    point,
  );
  return row?.links ?? 0;
}

export function listAt(
  index: IndexDb,
  at: { folder: number; point: number; after: Uint8Array; limit: number },
): TreeEntry[] {
  return index
    .all<NodeRow & { entry_name: Buffer }>(
      `SELECT e.name AS entry_name, ${joinedColumns} FROM entry e
       JOIN node n ON n.id = e.node AND n.born <= ? AND n.died > ?
       WHERE e.parent = ? AND e.name > ? AND e.born <= ? AND e.died > ?
       ORDER BY e.name LIMIT ?`,
      at.point,
      at.point,
      at.folder,
      at.after,
      at.point,
      at.point,
      at.limit,
    )
    .map((row) => ({ parent: at.folder, name: row.entry_name, version: toVersion(row) }));
}

/** Path of a node at a point, by its first name; undefined when it has none. */
export function pathAt(index: IndexDb, node: number, point: number): Buffer | undefined {
  const parts: Buffer[] = [];
  let at = node;
  while (at !== SET_NODE) {
    const entry = namesAt(index, at, point)[0];
    if (entry === undefined) return undefined;
    parts.unshift(entry.name);
    at = entry.parent;
  }
  return joinPath(parts);
}

const slash = Buffer.from('/');
export function joinPath(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? [part] : [slash, part])));
}

/** Components of a path; empty ones are dropped. */
export function splitPath(path: Uint8Array): Buffer[] {
  const bytes = Buffer.from(path);
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = 0; at <= bytes.length; at += 1) {
    if (at === bytes.length || bytes[at] === 0x2f) {
      if (at > start) parts.push(bytes.subarray(start, at));
      start = at + 1;
    }
  }
  return parts;
}

export function newestPoint(index: IndexDb): number {
  return (
    index.get<{ point: number }>('SELECT point FROM point ORDER BY point DESC LIMIT 1')?.point ?? 0
  );
}
