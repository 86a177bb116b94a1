/**
 * The newest point of each consistency that a set has. Looks only at points that came since it looked
 * last, so that a set of 100,000 points costs no more than one of ten.
 */
import { type Consistency, consistencies } from '../../shared/protocol/sync-outcome.js';
import type { IndexDb } from '../index/index-db.js';

export interface NewestPoint {
  readonly point: number;
  readonly timeMs: number;
}

interface Known {
  upTo: number;
  readonly newest: Map<Consistency, NewestPoint>;
}

/** At first, this many points at most are looked at for a consistency that the newest do not have. */
const LOOKED_BACK_MAX = 5_000;

export class PointAges {
  readonly #known = new Map<string, Known>();

  /** By consistency; without those that no point has, or none of the newest 5,000. */
  newest(set: string, index: IndexDb): ReadonlyMap<Consistency, NewestPoint> {
    const known = this.#known.get(set) ?? { upTo: 0, newest: new Map<Consistency, NewestPoint>() };
    this.#known.set(set, known);
    const end = index.get<{ point: number | null }>('SELECT max(point) AS point FROM point')?.point;
    if (end == null || end <= known.upTo) return known.newest;
    for (const consistency of consistencies) {
      const row = index.get<NewestPoint>(
        `SELECT point, time_ms AS timeMs FROM point
         WHERE point > ? AND json_extract(outcome, '$.consistency') = ?
         ORDER BY point DESC LIMIT 1`,
        Math.max(known.upTo, end - LOOKED_BACK_MAX),
        consistency,
      );
      if (row !== undefined) known.newest.set(consistency, row);
    }
    known.upTo = end;
    return known.newest;
  }

  forget(set: string): void {
    this.#known.delete(set);
  }
}
