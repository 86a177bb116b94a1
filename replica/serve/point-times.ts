/** Numbers and times of all points of a set, for faces that show each as a folder. */
import type { TimedPoint } from '../../shared/point-names.js';
import type { ServedSet } from './served-set.js';

/** By numbers, ascending; a snapshot. */
export async function pointTimes({ reader }: ServedSet): Promise<Iterable<TimedPoint>> {
  if (reader.table === undefined) return reader.points();
  const { points, timesMs, count } = await reader.table.columns();
  return {
    *[Symbol.iterator]() {
      for (let index = 0; index < count; index += 1) {
        yield { point: points[index] ?? 0, timeMs: timesMs[index] ?? 0 };
      }
    },
  };
}
