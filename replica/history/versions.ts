/**
 * What became of one path over all points: each version that stood there, each stretch without one, and
 * where what stood there came from and went to. Made from intervals; no point is opened. A stretch is
 * told by the points that retention left.
 */
import type { VersionChange } from '../../shared/api/versions.js';
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { NodeVersion } from '../../shared/restore/node-version.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { nodeAt, type NodeRow, setVersion, toVersion } from '../index/nodes.js';
import { nodesAtPath, overlap, pathsAt, placesOf, type Span } from './path-spans.js';
import { type PointColumns, positionsIn } from './point-columns.js';
import { sameContent } from './same-content.js';

export interface VersionsRequest {
  /** From the set's root, no slash in front. */
  readonly path: Buffer;
  readonly from: number;
  readonly to: number;
  /** `node`: also its places before it came here and after it left. */
  readonly follow: 'path' | 'node';
  /** Newest stretches that are told. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

export interface StretchPlace {
  readonly path: Buffer;
  readonly firstPoint: number;
  readonly lastPoint: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly live: boolean;
}

export interface PresentStretch extends StretchPlace {
  readonly state: 'present';
  readonly version: NodeVersion;
  readonly change: VersionChange;
  readonly contentChanged: boolean;
  readonly movedFrom?: Buffer;
}

export interface AbsentStretch extends StretchPlace {
  readonly state: 'absent';
  readonly why: 'not-yet' | 'removed' | 'moved';
  readonly movedTo?: Buffer;
}

export interface PathHistory {
  /** Oldest first. */
  readonly stretches: readonly (PresentStretch | AbsentStretch)[];
  readonly versions: number;
  readonly leftOut: number;
  readonly live: boolean;
  readonly lastSeen: { readonly point: number; readonly timeMs: number } | undefined;
  readonly disappeared: { readonly point: number; readonly timeMs: number } | undefined;
}

interface HistorySource {
  readonly index: IndexDb;
  readonly core: HashCore;
  readonly points: PointColumns;
}

/** A version at the path, by positions of its first and last point. */
interface Held {
  readonly row: NodeRow | undefined;
  readonly node: number;
  readonly first: number;
  readonly last: number;
}

/** Nodes whose other places are told. */
const FOLLOWED_MAX = 16;
const PLACES_MAX = 1000;

/** Throws `cancelled`. */
export async function pathHistory(
  source: HistorySource,
  request: VersionsRequest,
): Promise<PathHistory> {
  const slice = new TimeSlice();
  try {
    const held = await versionsAtPath(source, request, slice);
    return await new HistoryTeller(source, request, { held, slice }).tell();
  } catch (cause) {
    if (request.signal?.aborted !== true) throw cause;
    throw new AfterimageError('cancelled', 'nobody waits for the versions any more', { cause });
  }
}

/**
 * Every version at the path that some point has, oldest first, from the oldest point on: what a version
 * changed is told by the one before it, wherever the range begins.
 */
async function versionsAtPath(
  { index, points }: HistorySource,
  request: VersionsRequest,
  slice: TimeSlice,
): Promise<Held[]> {
  const held: Held[] = [];
  const within = { from: 0, to: request.to, slice, signal: request.signal };
  for (const span of await nodesAtPath(index, request.path, within)) {
    request.signal?.throwIfAborted();
    if (span.node === SET_NODE) {
      const at = positionsIn(points, span);
      if (at !== undefined) held.push({ row: undefined, node: SET_NODE, ...at });
      continue;
    }
    for (const row of versionsOf(index, span.node, span)) {
      const within = overlap({ from: row.born, to: row.died - 1 }, span);
      const at = within === undefined ? undefined : positionsIn(points, within);
      if (at !== undefined) addHeld(held, { row, node: span.node, ...at });
    }
    await slice.breathe();
  }
  return held;
}

/** What was away only at points that retention removed was never away. */
function addHeld(held: Held[], next: Held): void {
  const before = held.at(-1);
  const same = before?.node === next.node && before.row?.born === next.row?.born;
  if (before !== undefined && same && before.last === next.first - 1) {
    held[held.length - 1] = { ...before, last: next.last };
  } else held.push(next);
}

function versionsOf(index: IndexDb, node: number, span: Span): NodeRow[] {
  return index.all<NodeRow>(
    'SELECT * FROM node WHERE id = ? AND born <= ? AND died > ? ORDER BY born',
    node,
    span.to,
    span.from,
  );
}

class HistoryTeller {
  readonly #source: HistorySource;
  readonly #request: VersionsRequest;
  readonly #held: readonly Held[];
  readonly #slice: TimeSlice;
  /** Positions of the first and last point of the range. */
  readonly #range: { readonly first: number; readonly last: number } | undefined;

  constructor(
    source: HistorySource,
    request: VersionsRequest,
    found: { readonly held: readonly Held[]; readonly slice: TimeSlice },
  ) {
    this.#source = source;
    this.#request = request;
    this.#held = found.held;
    this.#slice = found.slice;
    this.#range = positionsIn(source.points, request);
  }

  async tell(): Promise<PathHistory> {
    const held = this.#held;
    const range = this.#range;
    const asked = range === undefined ? -1 : held.findIndex(({ last }) => last >= range.first);
    const begin = asked < 0 ? held.length : asked;
    const first = Math.max(begin, held.length - this.#request.limit);
    const stretches: (PresentStretch | AbsentStretch)[] = [];
    for (let at = first; at < held.length; at += 1) {
      this.#request.signal?.throwIfAborted();
      const absent = this.#absentBefore(at);
      if (absent !== undefined && absent.lastPoint >= this.#request.from) stretches.push(absent);
      const present = this.#present(at);
      if (present !== undefined) stretches.push(present);
      await this.#slice.breathe();
    }
    const end = this.#absentBefore(held.length);
    if (end !== undefined && end.lastPoint >= this.#request.from) stretches.push(end);
    if (this.#request.follow === 'node') stretches.push(...(await this.#elsewhere(stretches)));
    return {
      stretches: stretches.sort(byPoints),
      versions: held.length - begin,
      leftOut: first - begin,
      ...this.#ending(),
    };
  }

  #ending(): Pick<PathHistory, 'live' | 'lastSeen' | 'disappeared'> {
    const last = this.#held.at(-1)?.last;
    const newest = this.#source.points.count - 1;
    const live = last !== undefined && last === newest;
    const gone = last !== undefined && last < (this.#range?.last ?? -1);
    return {
      live,
      lastSeen: last === undefined ? undefined : this.#dated(last),
      disappeared: gone ? this.#dated(last + 1) : undefined,
    };
  }

  #dated(position: number): { point: number; timeMs: number } {
    const { points, timesMs } = this.#source.points;
    return { point: points[position] ?? 0, timeMs: timesMs[position] ?? 0 };
  }

  #place(path: Buffer, { first, last }: { first: number; last: number }): StretchPlace {
    const [from, to] = [this.#dated(first), this.#dated(last)];
    return {
      path,
      firstPoint: from.point,
      lastPoint: to.point,
      firstMs: from.timeMs,
      lastMs: to.timeMs,
      live: last === this.#source.points.count - 1,
    };
  }

  /** The points without anything before the version at `at`, or after the last. */
  #absentBefore(at: number): AbsentStretch | undefined {
    if (this.#range === undefined) return undefined;
    const older = this.#held[at - 1];
    const first = older === undefined ? 0 : older.last + 1;
    const last = (this.#held[at]?.first ?? this.#range.last + 1) - 1;
    if (first > last) return undefined;
    const place = this.#place(this.#request.path, { first, last });
    if (older === undefined) return { state: 'absent', ...place, why: 'not-yet' };
    const movedTo = this.#cameTo(older.node, { left: older.last, at: first });
    return movedTo === undefined
      ? { state: 'absent', ...place, why: 'removed' }
      : { state: 'absent', ...place, why: 'moved', movedTo };
  }

  #present(at: number): PresentStretch | undefined {
    const held = this.#held[at];
    if (held === undefined) return undefined;
    const version = held.row === undefined ? setVersion : toVersion(held.row);
    const place = this.#place(this.#request.path, held);
    return { state: 'present', ...place, version, ...this.#changeAt(at, held) };
  }

  #changeAt(
    at: number,
    held: Held,
  ): Pick<PresentStretch, 'change' | 'contentChanged' | 'movedFrom'> {
    if (held.first === 0) return { change: 'first', contentChanged: true };
    const before = this.#held[at - 1];
    const touching = before?.last === held.first - 1 ? before : undefined;
    if (touching?.node === held.node) {
      const contentChanged = !this.#same(touching, held);
      return { change: contentChanged ? 'content' : 'metadata', contentChanged };
    }
    const movedFrom = this.#cameFrom(held);
    if (movedFrom !== undefined) {
      const contentChanged = !this.#sameAsBefore(held);
      return { change: 'moved', contentChanged, movedFrom };
    }
    if (touching === undefined) return { change: 'added', contentChanged: true };
    if (touching.row?.kind !== held.row?.kind) return { change: 'kind', contentChanged: true };
    return { change: 'replaced', contentChanged: !this.#same(touching, held) };
  }

  #same(a: Held, b: Held): boolean {
    if (a.row === undefined || b.row === undefined) return true;
    const [older, newer] = [this.#dated(a.last).point, this.#dated(b.first).point];
    return sameContent(this.#source, { row: a.row, point: older }, { row: b.row, point: newer });
  }

  /** Whether the node held the same bytes at the point before, wherever it was. */
  #sameAsBefore(held: Held): boolean {
    const { index } = this.#source;
    const older = this.#dated(held.first - 1).point;
    const row = nodeAt(index, held.node, older);
    if (row === undefined || held.row === undefined) return false;
    const newer = this.#dated(held.first).point;
    return sameContent(this.#source, { row, point: older }, { row: held.row, point: newer });
  }

  /** A path that the node had at the point before and has no more. */
  #cameFrom({ node, first }: Held): Buffer | undefined {
    const { index } = this.#source;
    const before = pathsAt(index, node, this.#dated(first - 1).point);
    const now = pathsAt(index, node, this.#dated(first).point);
    for (const [key, path] of before) if (!now.has(key)) return path;
    return undefined;
  }

  /** A path that the node got when it left this one. */
  #cameTo(
    node: number,
    moment: { readonly left: number; readonly at: number },
  ): Buffer | undefined {
    const { index } = this.#source;
    const before = pathsAt(index, node, this.#dated(moment.left).point);
    const now = pathsAt(index, node, this.#dated(moment.at).point);
    for (const [key, path] of now) if (!before.has(key)) return path;
    return undefined;
  }

  /** What the nodes told of were at other paths. */
  async #elsewhere(
    stretches: readonly (PresentStretch | AbsentStretch)[],
  ): Promise<PresentStretch[]> {
    const { index, points } = this.#source;
    const nodes = new Set(
      stretches.flatMap((each) => (each.state === 'present' ? [each.version.node] : [])),
    );
    const found: PresentStretch[] = [];
    for (const node of [...nodes].slice(-FOLLOWED_MAX)) {
      const within = { ...this.#request, slice: this.#slice, max: PLACES_MAX };
      for (const place of await placesOf(index, node, within)) {
        this.#request.signal?.throwIfAborted();
        if (place.path.equals(this.#request.path) || found.length >= PLACES_MAX) continue;
        found.push(...this.#standing(node, place, points));
        await this.#slice.breathe();
      }
    }
    return found;
  }

  #standing(
    node: number,
    place: Span & { readonly path: Buffer },
    points: PointColumns,
  ): PresentStretch[] {
    const { index } = this.#source;
    const told: PresentStretch[] = [];
    for (const row of versionsOf(index, node, place)) {
      const within = overlap({ from: row.born, to: row.died - 1 }, place);
      const at = within === undefined ? undefined : positionsIn(points, within);
      if (at === undefined) continue;
      const held: Held = { row, node, ...at };
      told.push({
        state: 'present',
        ...this.#place(place.path, at),
        version: toVersion(row),
        ...this.#changeElsewhere(held, place.path),
      });
    }
    return told;
  }

  #changeElsewhere(
    held: Held,
    path: Buffer,
  ): Pick<PresentStretch, 'change' | 'contentChanged' | 'movedFrom'> {
    if (held.first === 0) return { change: 'first', contentChanged: true };
    const { index } = this.#source;
    const before = pathsAt(index, held.node, this.#dated(held.first - 1).point);
    if (before.has(path.toString('latin1'))) {
      const contentChanged = !this.#sameAsBefore(held);
      return { change: contentChanged ? 'content' : 'metadata', contentChanged };
    }
    const movedFrom = this.#cameFrom(held);
    if (movedFrom === undefined) return { change: 'added', contentChanged: true };
    return { change: 'moved', contentChanged: !this.#sameAsBefore(held), movedFrom };
  }
}

function byPoints(a: StretchPlace, b: StretchPlace): number {
  return a.firstPoint - b.firstPoint || a.lastPoint - b.lastPoint;
}
