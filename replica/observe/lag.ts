/**
 * How old the newest state on the replica is: the age of the oldest change that no point has. A set
 * that does not change does not lag, however old its newest point is; while its agent is away nobody
 * knows, and the time since it was last heard of counts.
 */
import type { WatchedSet } from './watched-set.js';

export class Lag {
  readonly #startedMs: number;
  /** Up to when everything is known to be in points, by set. */
  readonly #coveredMs = new Map<string, number>();

  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** Milliseconds; null for a set without a point. */
  of(set: WatchedSet, nowMs: number): number | null {
    const newest = set.reader.newest();
    if (newest === undefined) return null;
    const name = set.reader.set;
    const { behindMs } = set.activity();
    if (behindMs !== null) {
      this.#coveredMs.set(name, nowMs - behindMs);
      return behindMs;
    }
    const covered = this.#coveredMs.get(name) ?? Math.max(newest.timeMs, this.#startedMs);
    return Math.max(0, nowMs - Math.max(covered, newest.timeMs));
  }
}
