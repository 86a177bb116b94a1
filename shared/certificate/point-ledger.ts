/** Which points a chain has certified and removed: what must exist, and what may be gone. */
import { formatRanges, isInRanges, type PointRanges } from './facts.js';

type PointRange = PointRanges[number];

export class PointLedger {
  /** Points certified; true once removed. */
  readonly #points = new Map<number, boolean>();
  #newest = 0;
  removed = 0;

  get certified(): number {
    return this.#points.size;
  }

  /** What is wrong with the certificate of a point coming now. */
  *certify(point: number): Generator<string> {
    if (this.#points.has(point)) {
      yield `point ${point} is certified a second time: the replica went back to an older copy`;
    } else if (point > this.#newest + 1) {
      const gap = formatRanges([[this.#newest + 1, point - 1]]);
      yield `points before it were never certified: ${gap}`;
    } else if (point <= this.#newest) {
      yield `point ${point} is certified after point ${this.#newest}`;
    }
    if (!this.#points.has(point)) this.#points.set(point, false);
    this.#newest = Math.max(this.#newest, point);
  }

  /** What is wrong with the removal of points coming now. */
  *remove(ranges: PointRanges): Generator<readonly [point: number, message: string]> {
    for (const [first, last] of ranges) {
      for (const point of this.#within([first, last])) {
        if (this.#points.get(point) === true) yield [point, 'is removed a second time'];
        else this.removed += 1;
        this.#points.set(point, true);
      }
      for (const unknown of this.#without([first, last])) {
        yield [unknown[0], `${speakOf(unknown)} removed, but never certified before`];
      }
    }
  }

  /** How the points that exist differ from those that must. */
  *compare(
    existing: PointRanges,
    due: { readonly points: PointRanges; readonly removed: PointRanges },
  ): Generator<readonly [point: number, message: string]> {
    const exists = new Set(existing.flatMap((range) => this.#within(range)));
    for (const [point, isRemoved] of this.#points) {
      if (isRemoved && exists.has(point)) yield [point, 'exists, although it was removed'];
      if (isRemoved || exists.has(point) || isInRanges(due.removed, point)) continue;
      yield [point, 'is gone, and no policy removed it'];
    }
    for (const unknown of existing.flatMap((range) => this.#without(range))) {
      if (isInRanges(due.points, unknown[0]) && isInRanges(due.points, unknown[1])) continue;
      yield [unknown[0], `${speakOf(unknown)} there, but never certified`];
    }
  }

  /** Certified points of a range. Whatever a forged file claims, it costs no more than its points. */
  #within([first, last]: PointRange): number[] {
    if (last - first >= this.#points.size) {
      return [...this.#points.keys()].filter((point) => point >= first && point <= last);
    }
    const points: number[] = [];
    for (let point = first; point <= last; point += 1) {
      if (this.#points.has(point)) points.push(point);
    }
    return points;
  }

  /** What of a range was never certified. */
  #without([first, last]: PointRange): PointRange[] {
    const missing: PointRange[] = [];
    let next = first;
    for (const point of this.#within([first, last]).sort((a, b) => a - b)) {
      if (point > next) missing.push([next, point - 1]);
      next = point + 1;
    }
    if (next <= last) missing.push([next, last]);
    return missing;
  }
}

function speakOf([first, last]: PointRange): string {
  return first === last ? 'is' : `and those up to ${last} are`;
}
