/**
 * Where things stood, as spans of points, straight from the intervals of entries and nodes: which node a
 * path named from when to when, and which paths a node had at a point.
 */
import { SET_NODE } from '../../shared/protocol/records.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, joinPath, namesAt, pathAt, splitPath } from '../index/nodes.js';

/** Points from … to, both inclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface NodeSpan extends Span {
  readonly node: number;
}

/** A name of a file that has very many is not looked at. */
const NAMES_MAX = 64;

export function overlap(a: Span, b: Span): Span | undefined {
  const from = Math.max(a.from, b.from);
  const to = Math.min(a.to, b.to);
  return from <= to ? { from, to } : undefined;
}

/** The nodes that the path named, oldest first; spans do not overlap. */
export async function nodesAtPath(
  index: IndexDb,
  path: Uint8Array,
  within: Span & { readonly slice: TimeSlice; readonly signal?: AbortSignal | undefined },
): Promise<NodeSpan[]> {
  let spans: NodeSpan[] = [{ node: SET_NODE, from: within.from, to: within.to }];
  for (const name of splitPath(path)) {
    const below: NodeSpan[] = [];
    for (const folder of spans) {
      within.signal?.throwIfAborted();
      const entries = index.all<EntryRow>(
        `SELECT parent, name, born, died, node FROM entry
         WHERE parent = ? AND name = ? AND born <= ? AND died > ? ORDER BY born`,
        folder.node,
        name,
        folder.to,
        folder.from,
      );
      for (const { born, died, node } of entries) {
        const span = overlap({ from: born, to: died - 1 }, folder);
        if (span !== undefined) below.push({ node, ...span });
      }
      await within.slice.breathe();
    }
    spans = below;
  }
  return spans;
}

/** All paths of a node at a point, as text that compares; at most 64. */
export function pathsAt(index: IndexDb, node: number, point: number): Map<string, Buffer> {
  const paths = new Map<string, Buffer>();
  for (const { parent, name } of namesAt(index, node, point).slice(0, NAMES_MAX)) {
    const folder = pathAt(index, parent, point);
    if (folder === undefined) continue;
    const path = joinPath(folder.length === 0 ? [name] : [folder, name]);
    paths.set(path.toString('latin1'), path);
  }
  return paths;
}

/** Path of an entry at a point, and since which point its folder has stood there without a break. */
export function pathSince(
  index: IndexDb,
  entry: { readonly parent: number; readonly name: Buffer },
  point: number,
): { readonly path: Buffer; readonly folderSince: number } | undefined {
  const parts: Buffer[] = [entry.name];
  let folderSince = 0;
  for (let at = entry.parent; at !== SET_NODE;) {
    const above = namesAt(index, at, point)[0];
    if (above === undefined) return undefined;
    parts.unshift(above.name);
    folderSince = Math.max(folderSince, above.born);
    at = above.parent;
  }
  return { path: joinPath(parts), folderSince };
}

/** Every place of a node but one path, with the points it stood there; oldest first, bounded by `max`. */
export async function placesOf(
  index: IndexDb,
  node: number,
  within: Span & { readonly slice: TimeSlice; readonly max: number },
): Promise<(Span & { readonly path: Buffer })[]> {
  const places = await standings(index, node, { ...within, left: { places: within.max } });
  return places.map(({ parts, from, to }) => ({ path: joinPath(parts), from, to }));
}

interface Standing extends Span {
  readonly parts: readonly Buffer[];
}

async function standings(
  index: IndexDb,
  node: number,
  within: Span & { readonly slice: TimeSlice; readonly left: { places: number } },
): Promise<Standing[]> {
  if (node === SET_NODE) return [{ from: within.from, to: within.to, parts: [] }];
  const rows = index.all<EntryRow>(
    `SELECT parent, name, born, died, node FROM entry
     WHERE node = ? AND died > ? AND born <= ? ORDER BY born`,
    node,
    within.from,
    within.to,
  );
  const found: Standing[] = [];
  for (const row of rows) {
    const span = overlap({ from: row.born, to: row.died - 1 }, within);
    if (span === undefined || within.left.places <= 0) continue;
    for (const above of await standings(index, row.parent, { ...within, ...span })) {
      found.push({ from: above.from, to: above.to, parts: [...above.parts, row.name] });
      within.left.places -= 1;
    }
    await within.slice.breathe();
  }
  return found;
}
