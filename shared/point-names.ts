/** Names of a set's points where each is a folder: the time of each, UTC, to the second. */

export interface TimedPoint {
  readonly point: number;
  readonly timeMs: number;
}

/** In the order of `points`, by their numbers: of one second the first has the time alone, the others their number as well. */
export function* namePoints<Point extends TimedPoint>(
  points: Iterable<Point>,
): Generator<{ readonly name: string; readonly of: Point }> {
  const taken = new Set<string>();
  for (const of of points) {
    const time = timeName(of.timeMs);
    yield { name: taken.has(time) ? longPointName(of) : time, of };
    taken.add(time);
  }
}

/** The point of such a name; undefined when there is none. */
export function findNamedPoint<Point extends TimedPoint>(
  points: Iterable<Point>,
  name: string,
): Point | undefined {
  const long = pointOfLongName(name);
  const second = long === undefined ? secondOf(name) : undefined;
  if (long === undefined && second === undefined) return undefined;
  for (const of of points) {
    if (long === undefined && Math.floor(of.timeMs / 1000) === second) return of;
    if (of.point === long) return longPointName(of) === name ? of : undefined;
  }
  return undefined;
}

function secondOf(name: string): number | undefined {
  const ms = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(name) ? Date.parse(name) : NaN;
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** By which a point is found for ever, also when another of the same second is removed. */
export function longPointName({ timeMs, point }: TimedPoint): string {
  return `${timeName(timeMs)}-${point}`;
}

/** The number in such a name. */
function pointOfLongName(name: string): number | undefined {
  const number = /Z-(\d{1,15})$/.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

function timeName(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
