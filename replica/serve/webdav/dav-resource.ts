/** What an address below /dav/ means: all sets, a set with its points, or something in a point. */
import { AfterimageError } from '../../../shared/errors.js';
import { toPathText } from '../../../shared/path-text.js';
import { findNamedPoint, namePoints } from '../../../shared/point-names.js';
import type { NodeVersion, PointView } from '../../history/set-reader.js';
import { pointTimes } from '../point-times.js';
import { findPoint, findSet } from '../requests.js';
import type { ServedSet } from '../served-set.js';

export type DavResource =
  | { readonly type: 'sets' }
  | { readonly type: 'set'; readonly served: ServedSet }
  | {
      readonly type: 'node';
      readonly view: PointView;
      readonly timeMs: number;
      readonly version: NodeVersion;
    };

const LATEST = 'latest';

/**
 * The caller closes the view. Throws `not-found`, and what `checkSet` throws for a set that its caller
 * may not see.
 */
export async function findResource(
  sets: readonly ServedSet[],
  components: readonly Buffer[],
  checkSet: (set: string) => void,
): Promise<DavResource> {
  const [set, point, ...path] = components;
  if (set === undefined) return { type: 'sets' };
  const name = set.toString();
  checkSet(name);
  const served = findSet(sets, name);
  if (point === undefined) return { type: 'set', served };
  const found = await pointNamed(served, point.toString());
  const view = served.reader.open(found.point);
  try {
    const version = view.resolve(joinPath(path));
    if (version !== undefined) return { type: 'node', view, timeMs: found.timeMs, version };
  } catch (error) {
    view.close();
    throw error;
  }
  view.close();
  const text = toPathText(joinPath(path));
  throw new AfterimageError('not-found', `${text} is not in point ${found.point}`, {
    facts: { set: name, point: found.point },
  });
}

function joinPath(path: readonly Buffer[]): Buffer {
  const slash = Buffer.from('/');
  return Buffer.concat(path.flatMap((name, index) => (index === 0 ? [name] : [slash, name])));
}

interface ChosenPoint {
  readonly point: number;
  readonly timeMs: number;
}

/** By one of the names that are listed, or as on the command line. */
async function pointNamed(served: ServedSet, name: string): Promise<ChosenPoint> {
  return findNamedPoint(await pointTimes(served), name) ?? findPoint(served, name);
}

export interface ListedPoint {
  readonly name: string;
  readonly timeMs: number;
}

/** By their numbers, and `latest` at the end. */
export async function* listPoints(served: ServedSet): AsyncGenerator<ListedPoint> {
  for (const { name, of } of namePoints(await pointTimes(served))) {
    yield { name, timeMs: of.timeMs };
  }
  const newest = served.reader.newest();
  if (newest !== undefined) yield { name: LATEST, timeMs: newest.timeMs };
}
