/**
 * Looks for rows of the index that contradict each other, table by table: what a walk of one point
 * cannot see of the others, at the cost of one pass over all of them.
 */
import { DIGEST_BYTES } from '../../shared/limits.js';
import { decodeXattrs, isEntryName, nodeKinds, SET_NODE } from '../../shared/protocol/records.js';
import { toPathText } from '../../shared/path-text.js';
import { DEPTH_MAX } from '../apply/folders.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, joinPath, namesAt, nodeAt, type NodeRow } from '../index/nodes.js';
import { paged } from '../index/paged.js';
import { DIGESTS_PER_ROW, Place } from '../index/schema.js';

export interface RowFinding {
  /** A point at which it shows; null when it is not tied to one. */
  readonly point: number | null;
  readonly path: string | null;
  readonly message: string;
}

/** One row looked at: what is wrong with it, if something is. */
export type RowLook = RowFinding | undefined;

const FOLDER = nodeKinds.indexOf('folder');
const FILE = nodeKinds.indexOf('file');

/** Every row of the index, in the order of tables; yields once a row. */
export function* checkRows(index: IndexDb): Generator<RowLook> {
  const points = new Points(index);
  yield* checkEntries(index, points);
  yield* checkNodes(index, points);
  yield* checkBodies(index);
  yield* checkDigests(index);
  yield* checkBefore(index);
}

/** The points that exist, to know at which of them a row holds. */
class Points {
  readonly #points: readonly number[];

  constructor(index: IndexDb) {
    this.#points = index
      .all<{ point: number }>('SELECT point FROM point ORDER BY point')
      .map(({ point }) => point);
  }

  /** First and last existing point in [born, died); undefined when there is none. */
  within(born: number, died: number): { first: number; last: number } | undefined {
    const first = this.#points[this.#from(born)];
    const last = this.#points[this.#from(died) - 1];
    return first === undefined || last === undefined || first > last ? undefined : { first, last };
  }

  /** Place of the first point that is not before `point`. */
  #from(point: number): number {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#points[middle] ?? 0) < point) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function* checkEntries(index: IndexDb, points: Points): Generator<RowLook> {
  const entries = paged<EntryRow>(index, {
    sql: `SELECT parent, name, born, died, node FROM entry
          WHERE (parent, name, born) > (?, ?, ?) ORDER BY parent, name, born LIMIT ?`,
    start: [-1, Buffer.alloc(0), 0],
    cursorOf: ({ parent, name, born }) => [parent, name, born],
  });
  for (const entry of entries) {
    const at = points.within(entry.born, entry.died);
    const message = at === undefined ? undefined : entryTrouble(index, entry, at);
    yield message === undefined || at === undefined
      ? undefined
      : { point: at.last, path: pathOfEntry(index, entry, at.last), message };
  }
}

function entryTrouble(
  index: IndexDb,
  { parent, name, node }: EntryRow,
  at: { readonly first: number; readonly last: number },
): string | undefined {
  if (!isEntryName(name)) return 'its name is no name of an entry';
  for (const point of [at.first, at.last]) {
    const found = nodeAt(index, node, point);
    if (found === undefined) return `its node ${node} does not exist at point ${point}`;
    if (found.kind === FOLDER && namesAt(index, node, point).length > 1)
      return `folder ${node} has more than one name at point ${point}`;
    if (parent !== SET_NODE && nodeAt(index, parent, point)?.kind !== FOLDER)
      return `it lies in node ${parent}, which is no folder at point ${point}`;
  }
  return undefined;
}

function pathOfEntry(index: IndexDb, { parent, name }: EntryRow, point: number): string {
  const folder = pathOfNode(index, parent, point);
  return toPathText(folder === undefined || folder.length === 0 ? name : joinPath([folder, name]));
}

function* checkNodes(index: IndexDb, points: Points): Generator<RowLook> {
  const nodes = paged<NodeRow>(index, {
    sql: `SELECT id, born, died, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target, xattrs, body
          FROM node WHERE (id, born) > (?, ?) ORDER BY id, born LIMIT ?`,
    start: [-1, 0],
    cursorOf: ({ id, born }) => [id, born],
  });
  let previous: NodeRow | undefined;
  for (const node of nodes) {
    const at = points.within(node.born, node.died);
    const overlaps = previous?.id === node.id && previous.died > node.born;
    previous = node;
    const message = overlaps
      ? `versions of node ${node.id} overlap at point ${node.born}`
      : nodeTrouble(index, node);
    if (message === undefined || at === undefined) yield undefined;
    else yield { point: at.last, path: pathTextAt(index, node.id, at.last), message };
  }
}

function nodeTrouble(index: IndexDb, node: NodeRow): string | undefined {
  const { id, kind, size, xattrs, body } = node;
  if (nodeKinds[kind] === undefined) return `node ${id} is of a kind that does not exist`;
  if (!Number.isSafeInteger(size) || size < 0) return `node ${id} has the size ${size}`;
  if (xattrs !== null && !decodes(xattrs)) return `the attributes of node ${id} do not decode`;
  if (kind !== FILE) return body === null ? undefined : `node ${id} is no file and has content`;
  const owner = index.get<{ node: number }>('SELECT node FROM body WHERE id = ?', body);
  return owner?.node === id ? undefined : `file ${id} names content that is not its own`;
}

function decodes(xattrs: Buffer): boolean {
  try {
    decodeXattrs(xattrs);
    return true;
  } catch {
    // Whatever it says, these are not attributes.
    return false;
  }
}

function pathTextAt(index: IndexDb, node: number, point: number): string | null {
  const path = pathOfNode(index, node, point);
  return path === undefined ? null : toPathText(path);
}

/** By its first names; undefined when they do not lead to the set, as in an index gone wrong. */
export function pathOfNode(index: IndexDb, node: number, point: number): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = node; at !== SET_NODE;) {
    const entry = namesAt(index, at, point)[0];
    if (entry === undefined || parts.length > DEPTH_MAX) return undefined;
    parts.push(entry.name);
    at = entry.parent;
  }
  return joinPath(parts.reverse());
}

function* checkBodies(index: IndexDb): Generator<RowLook> {
  const bodies = paged<{ id: number; born: number; died: number; place: number; size: number }>(
    index,
    {
      sql: 'SELECT id, born, died, place, size FROM body WHERE id > ? ORDER BY id LIMIT ?',
      start: [0],
      cursorOf: ({ id }) => [id],
    },
  );
  const places: readonly number[] = Object.values(Place);
  for (const { id, born, died, place, size } of bodies) {
    // Pruning leaves the highest number as a mark that holds at no point.
    const isMark = born === 0 && died === 0 && size === 0;
    const isSound =
      (isMark || born < died) && places.includes(place) && Number.isSafeInteger(size) && size >= 0;
    yield isSound ? undefined : untied(`the row of body ${id} is nonsense`);
  }
}

function* checkDigests(index: IndexDb): Generator<RowLook> {
  const rows = paged<{ body: number; first: number; bytes: number }>(index, {
    sql: `SELECT body, first, length(digests) AS bytes FROM digests
          WHERE (body, first) > (?, ?) ORDER BY body, first LIMIT ?`,
    start: [-1, 0],
    cursorOf: ({ body, first }) => [body, first],
  });
  for (const { body, first, bytes } of rows) {
    const isSound =
      first % DIGESTS_PER_ROW === 0 &&
      bytes % DIGEST_BYTES === 0 &&
      bytes <= DIGESTS_PER_ROW * DIGEST_BYTES &&
      index.get('SELECT 1 FROM body WHERE id = ?', body) !== undefined;
    yield isSound
      ? undefined
      : untied(`the digests of body ${body} from block ${first} are nonsense`);
  }
}

function* checkBefore(index: IndexDb): Generator<RowLook> {
  const rows = paged<{
    body: number;
    block: number;
    hi: number;
    lo: number;
    mask: number;
    bytes: number;
  }>(index, {
    sql: `SELECT body, block, hi, lo, mask, length(digest) AS bytes FROM before
            WHERE (body, block, hi) > (?, ?, ?) ORDER BY body, block, hi LIMIT ?`,
    start: [-1, 0, 0],
    cursorOf: ({ body, block, hi }) => [body, block, hi],
  });
  for (const { body, block, hi, lo, mask, bytes } of rows) {
    const isSound =
      bytes === DIGEST_BYTES &&
      lo <= hi &&
      (mask & ~0xffff) === 0 &&
      index.get('SELECT 1 FROM body WHERE id = ?', body) !== undefined;
    yield isSound
      ? undefined
      : untied(`the row of block ${block} of body ${body} up to point ${hi} is nonsense`);
  }
}

function untied(message: string): RowFinding {
  return { point: null, path: null, message };
}
