/** The points of a set by the names that a mount shows them under, asked for as they change. */
import { pointTimesSchema } from '../../shared/api/nodes.js';
import { findNamedPoint, namePoints, type TimedPoint } from '../../shared/point-names.js';
import { type ApiClient, setPath } from '../api-client.js';
import type { Reach } from './trouble.js';

export interface NamedPoint extends TimedPoint {
  readonly name: string;
}

/** How long what was told is good for. */
const FRESH_MS = 1000;

export class PointList {
  readonly #api: ApiClient;
  readonly #reach: Reach;
  readonly #set: string;
  #points: readonly NamedPoint[] = [];
  #toldMs = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(set: string, api: ApiClient, reach: Reach) {
    this.#set = set;
    this.#api = api;
    this.#reach = reach;
  }

  /** By their numbers, ascending. */
  async points(): Promise<readonly NamedPoint[]> {
    if (performance.now() - this.#toldMs > FRESH_MS) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
    return this.#points;
  }

  async named(name: string): Promise<TimedPoint | undefined> {
    return findNamedPoint(await this.points(), name);
  }

  async newest(): Promise<NamedPoint | undefined> {
    return (await this.points()).at(-1);
  }

  /** What is new; everything when some were removed. */
  async #ask(): Promise<void> {
    const known = this.#points;
    const told = await this.#since(known.at(-1)?.point ?? 0);
    const isWhole = told.count === known.length + told.points.length;
    const points = isWhole ? [...known, ...told.points] : (await this.#since(0)).points;
    if (!isWhole || told.points.length > 0) {
      this.#points = [...namePoints(points)].map(({ name, of }) => ({
        name,
        point: of.point,
        timeMs: of.timeMs,
      }));
    }
    this.#toldMs = performance.now();
  }

  async #since(since: number): Promise<{ readonly count: number; readonly points: TimedPoint[] }> {
    const path = setPath(this.#set, 'point-times');
    const { count, points, timesMs } = await this.#reach.ask(() =>
      this.#api.json(pointTimesSchema, { path, query: { since } }),
    );
    return { count, points: points.map((point, at) => ({ point, timeMs: timesMs[at] ?? 0 })) };
  }
}
