/**
 * All points of a set in columns: what a timeline, a choice among points or a trial of a policy needs
 * of each, 33 bytes a point. A snapshot never changes; the next one may share its arrays.
 */
import { consistencies, type Consistency } from '../../shared/protocol/sync-outcome.js';
import type { PointSummary } from './point-summary.js';

/** What columns are made of, a point at a time. */
export interface ColumnRow {
  readonly point: number;
  readonly timeMs: number;
  readonly changedNodes: number;
  readonly changedBytes: number;
  /** Null when it is not known. */
  readonly consistency: string | null;
  readonly healed: boolean;
  readonly unreadable: boolean;
}

export interface PointColumns {
  readonly count: number;
  /** Ascending. */
  readonly points: Float64Array;
  /** Of the replica's clock, in the order of points: a clock that was set back shows. */
  readonly timesMs: Float64Array;
  readonly changedNodes: Float64Array;
  readonly changedBytes: Float64Array;
  readonly flags: Uint8Array;
}

const CONSISTENCY_MASK = 3;
const HEALED = 4;
const UNREADABLE = 8;
const CAPACITY_MIN = 256;

export const isHealed = (flags: number): boolean => (flags & HEALED) !== 0;
export const isUnreadable = (flags: number): boolean => (flags & UNREADABLE) !== 0;
export function consistencyOf(flags: number): Consistency | undefined {
  return consistencies[flags & CONSISTENCY_MASK];
}

/** Columns that grow at their end. */
export class ColumnsBuilder {
  #count = 0;
  #columns: PointColumns = allocate(CAPACITY_MIN);

  get count(): number {
    return this.#count;
  }

  get last(): number {
    return this.#columns.points[this.#count - 1] ?? 0;
  }

  add(row: ColumnRow): void {
    if (this.#count === this.#columns.points.length) this.#grow();
    const { points, timesMs, changedNodes, changedBytes, flags } = this.#columns;
    const at = this.#count;
    points[at] = row.point;
    timesMs[at] = row.timeMs;
    changedNodes[at] = row.changedNodes;
    changedBytes[at] = row.changedBytes;
    const place = (consistencies as readonly (string | null)[]).indexOf(row.consistency);
    flags[at] =
      (place < 0 ? CONSISTENCY_MASK : place) |
      (row.healed ? HEALED : 0) |
      (row.unreadable ? UNREADABLE : 0);
    this.#count += 1;
  }

  /** Drops every point that is not among these (ascending). */
  keep(kept: readonly number[]): void {
    const old = this.snapshot();
    const fresh = allocate(Math.max(CAPACITY_MIN, kept.length * 2));
    let count = 0;
    let next = 0;
    for (let at = 0; at < old.count; at += 1) {
      const point = old.points[at] ?? 0;
      while ((kept[next] ?? Infinity) < point) next += 1;
      if (kept[next] !== point) continue;
      fresh.points[count] = point;
      fresh.timesMs[count] = old.timesMs[at] ?? 0;
      fresh.changedNodes[count] = old.changedNodes[at] ?? 0;
      fresh.changedBytes[count] = old.changedBytes[at] ?? 0;
      fresh.flags[count] = old.flags[at] ?? 0;
      count += 1;
    }
    this.#columns = fresh;
    this.#count = count;
  }

  snapshot(): PointColumns {
    const { points, timesMs, changedNodes, changedBytes, flags } = this.#columns;
    return {
      count: this.#count,
      points: points.subarray(0, this.#count),
      timesMs: timesMs.subarray(0, this.#count),
      changedNodes: changedNodes.subarray(0, this.#count),
      changedBytes: changedBytes.subarray(0, this.#count),
      flags: flags.subarray(0, this.#count),
    };
  }

  #grow(): void {
    const old = this.#columns;
    const fresh = allocate(old.points.length * 2);
    fresh.points.set(old.points);
    fresh.timesMs.set(old.timesMs);
    fresh.changedNodes.set(old.changedNodes);
    fresh.changedBytes.set(old.changedBytes);
    fresh.flags.set(old.flags);
    this.#columns = fresh;
  }
}

function allocate(capacity: number): PointColumns {
  return {
    count: 0,
    points: new Float64Array(capacity),
    timesMs: new Float64Array(capacity),
    changedNodes: new Float64Array(capacity),
    changedBytes: new Float64Array(capacity),
    flags: new Uint8Array(capacity),
  };
}

/** Of a reader that keeps no columns. */
export function columnsOf(points: readonly PointSummary[]): PointColumns {
  const builder = new ColumnsBuilder();
  for (const { outcome, ...point } of points) {
    builder.add({
      ...point,
      consistency: outcome.consistency,
      healed: outcome.healed !== undefined,
      unreadable: outcome.unreadable.length > 0,
    });
  }
  return builder.snapshot();
}

/** Position of the first point that is not before this one; `count` when there is none. */
export function positionOf({ points, count }: PointColumns, point: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle] ?? Infinity) < point) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First and last position of the points from … to, or undefined when none lies there. */
export function positionsIn(
  columns: PointColumns,
  { from, to }: { readonly from: number; readonly to: number },
): { readonly first: number; readonly last: number } | undefined {
  const first = positionOf(columns, from);
  const last = positionOf(columns, to + 1) - 1;
  return first <= last ? { first, last } : undefined;
}
