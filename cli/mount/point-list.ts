/** The points of a set by the names that a mount shows them under: the time of each, UTC, to the second. */
import { type PointJson, pointsSchema } from '../../shared/api/points.js';
import { type ApiClient, setPath } from '../api-client.js';
import type { Reach } from './trouble.js';

export interface NamedPoint {
  readonly name: string;
  readonly point: number;
  readonly timeMs: number;
  readonly bytes: number;
  readonly files: number;
}

const POINTS_MAX = 100_000;
/** How long what was told is good for. */
const FRESH_MS = 1000;

export class PointList {
  readonly #api: ApiClient;
  readonly #reach: Reach;
  readonly #set: string;
  #points: readonly NamedPoint[] = [];
  #byName = new Map<string, NamedPoint>();
  #toldMs = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(set: string, api: ApiClient, reach: Reach) {
    this.#set = set;
    this.#api = api;
    this.#reach = reach;
  }

  /** Oldest first. */
  async points(): Promise<readonly NamedPoint[]> {
    if (performance.now() - this.#toldMs > FRESH_MS) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
    return this.#points;
  }

  async named(name: string): Promise<NamedPoint | undefined> {
    await this.points();
    return this.#byName.get(name);
  }

  async newest(): Promise<NamedPoint | undefined> {
    return (await this.points()).at(-1);
  }

  async #ask(): Promise<void> {
    const { points } = await this.#reach.ask(() =>
      this.#api.json(pointsSchema, {
        path: setPath(this.#set, 'points'),
        query: { limit: POINTS_MAX },
      }),
    );
    this.#points = namePoints(points);
    this.#byName = new Map(this.#points.map((point) => [point.name, point]));
    for (const point of this.#points) this.#byName.set(longName(point), point);
    this.#toldMs = performance.now();
  }
}

/** Of points of one second the first has the time alone, the others their number as well. */
export function namePoints(
  points: readonly Pick<PointJson, 'point' | 'timeMs' | 'bytes' | 'files'>[],
): NamedPoint[] {
  const taken = new Set<string>();
  return points.map(({ point, timeMs, bytes, files }) => {
    const time = timeName(timeMs);
    const name = taken.has(time) ? longName({ timeMs, point }) : time;
    taken.add(time);
    return { name, point, timeMs, bytes, files };
  });
}

function timeName(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

/** By which a point is found for ever, also when one of the same second goes. */
function longName({ timeMs, point }: { readonly timeMs: number; readonly point: number }): string {
  return `${timeName(timeMs)}-${point}`;
}
