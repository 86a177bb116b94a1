/** What differs between two points, from the rows that changed between them: costs what changed. */
import { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { nodeAt, pathAt, toVersion } from '../index/nodes.js';
import type { DiffEntry, NodeVersion } from './set-reader.js';

/** How long one go may take: nodes that did not change are passed over, too. */
const STRETCH_MS = 8;
/** Node numbers of the first go. */
const STRETCH_NODES = 4_000;

interface TouchedEntry {
  readonly parent: number;
  readonly name: Buffer;
}

/** Entries in the order of their paths' discovery; a moved node comes once, at its new path. */
export function* diffPoints(
  index: IndexDb,
  points: { readonly a: number; readonly b: number },
): Generator<DiffEntry> {
  for (const nodes of touchedNodes(index, points)) {
    for (const node of nodes) yield* diffNode(index, points, node);
  }
}

/** The same, giving way to others also while nothing is found. */
export async function* changesBetween(
  index: IndexDb,
  points: { readonly a: number; readonly b: number },
): AsyncGenerator<DiffEntry> {
  const slice = new TimeSlice();
  for (const nodes of touchedNodes(index, points)) {
    for (const node of nodes) {
      yield* diffNode(index, points, node);
      await slice.breathe();
    }
    await slice.breathe();
  }
}

/** Nodes of which a version or a name begins or ends between the points, a stretch of numbers at a time. */
function* touchedNodes(
  index: IndexDb,
  points: { readonly a: number; readonly b: number },
): Generator<number[]> {
  const lo = Math.min(points.a, points.b);
  const hi = Math.max(points.a, points.b);
  let nodes = STRETCH_NODES;
  for (let after = 0; ;) {
    const first = index.get<{ id: number }>(
      'SELECT id FROM node WHERE id > ? ORDER BY id LIMIT 1',
      after,
    );
    if (first === undefined) return;
    const upTo = first.id + nodes;
    const startMs = performance.now();
    const rows = index.all<{ id: number }>(
      `SELECT id FROM node WHERE id > @after AND id <= @upTo
         AND ((born > @lo AND born <= @hi) OR (died > @lo AND died <= @hi))
       UNION SELECT node FROM entry INDEXED BY entry_node WHERE node > @after AND node <= @upTo
         AND ((born > @lo AND born <= @hi) OR (died > @lo AND died <= @hi))
       ORDER BY 1`,
      { after, upTo, lo, hi },
    );
    const tookMs = performance.now() - startMs;
    if (tookMs < STRETCH_MS / 2) nodes *= 2;
    else if (tookMs > STRETCH_MS) nodes = Math.max(STRETCH_NODES, Math.floor(nodes / 2));
    yield rows.map(({ id }) => id);
    after = upTo;
  }
}

function* diffNode(
  index: IndexDb,
  { a, b }: { a: number; b: number },
  node: number,
): Generator<DiffEntry> {
  const before = versionAt(index, node, a);
  const after = versionAt(index, node, b);
  const namesBefore = pathsOf(index, node, a);
  const namesAfter = pathsOf(index, node, b);
  const gone = [...namesBefore].filter(([key]) => !namesAfter.has(key));
  const come = [...namesAfter].filter(([key]) => !namesBefore.has(key));
  const movedFrom = come.length > 0 ? gone.shift()?.[1] : undefined;
  for (const [, path] of gone) yield { path, change: 'removed', ...optional({ before }) };
  for (const [position, [, path]] of come.entries()) {
    const from = position === 0 ? movedFrom : undefined;
    const change =
      from === undefined ? 'added' : (changeOf(index, { before, after, a, b }) ?? 'metadata');
    yield { path, change, ...optional({ before, after, movedFrom: from }) };
  }
  const change = changeOf(index, { before, after, a, b });
  if (change === undefined) return;
  for (const [key, path] of namesAfter) {
    if (namesBefore.has(key)) yield { path, change, ...optional({ before, after }) };
  }
}

function optional(fields: {
  before?: NodeVersion | undefined;
  after?: NodeVersion | undefined;
  movedFrom?: Buffer | undefined;
}): { before?: NodeVersion; after?: NodeVersion; movedFrom?: Buffer } {
  return {
    ...(fields.before === undefined ? {} : { before: fields.before }),
    ...(fields.after === undefined ? {} : { after: fields.after }),
    ...(fields.movedFrom === undefined ? {} : { movedFrom: fields.movedFrom }),
  };
}

function versionAt(index: IndexDb, node: number, point: number): NodeVersion | undefined {
  const row = nodeAt(index, node, point);
  return row === undefined ? undefined : toVersion(row);
}

/** Paths of a node at a point, keyed by folder and name so that a moved ancestor is no change. */
function pathsOf(index: IndexDb, node: number, point: number): Map<string, Buffer> {
  const names = index.all<TouchedEntry>(
    'SELECT parent, name FROM entry WHERE node = ? AND born <= ? AND died > ? ORDER BY parent, name',
    node,
    point,
    point,
  );
  const paths = new Map<string, Buffer>();
  for (const { parent, name } of names) {
    const folder = pathAt(index, parent, point);
    if (folder === undefined) continue;
    const path = folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name]);
    paths.set(`${parent}/${name.toString('latin1')}`, path);
  }
  return paths;
}

function changeOf(
  index: IndexDb,
  at: { before: NodeVersion | undefined; after: NodeVersion | undefined; a: number; b: number },
): 'content' | 'metadata' | undefined {
  const { before, after } = at;
  if (before === undefined || after === undefined || before.born === after.born) return undefined;
  if (before.size !== after.size || !before.target.equals(after.target)) return 'content';
  return contentChanged(index, { node: after.node, a: at.a, b: at.b }) ? 'content' : 'metadata';
}

/** Whether some block of the node's body was changed between the points, or the body itself. */
function contentChanged(index: IndexDb, at: { node: number; a: number; b: number }): boolean {
  const bodyA = nodeAt(index, at.node, at.a)?.body;
  const bodyB = nodeAt(index, at.node, at.b)?.body;
  if (bodyA !== bodyB) return true;
  if (bodyA == null) return false;
  const lo = Math.min(at.a, at.b);
  const hi = Math.max(at.a, at.b);
  return (
    index.get(
      'SELECT 1 FROM before WHERE body = ? AND hi >= ? AND hi < ? LIMIT 1',
      bodyA,
      lo,
      hi,
    ) !== undefined
  );
}
