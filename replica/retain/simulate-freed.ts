/**
 * What removing points would free: old whole files and before-images that no kept point needs, summed
 * over the rows of the index as far as the time given goes.
 */
import { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { paged } from '../index/paged.js';
import { Place } from '../index/schema.js';

export interface FreedBytes {
  readonly atticBytes: number;
  readonly packBytes: number;
  readonly files: number;
}

/** Undefined when it is not known in time. @param kept points that stay, ascending */
export async function freedBy(
  index: IndexDb,
  kept: ArrayLike<number>,
  deadlineMs: number,
): Promise<FreedBytes | undefined> {
  const slice = new TimeSlice();
  let [atticBytes, packBytes, files] = [0, 0, 0];
  for (const { born, died, size } of oldBodies(index)) {
    if (performance.now() > deadlineMs) return undefined;
    await slice.breathe();
    if (hasPoint(kept, born, died - 1)) continue;
    atticBytes += size;
    files += 1;
  }
  for (const { lo, hi, length } of beforeImages(index)) {
    if (performance.now() > deadlineMs) return undefined;
    await slice.breathe();
    if (!hasPoint(kept, lo, hi)) packBytes += length;
  }
  return { atticBytes, packBytes, files };
}

interface OldBody {
  readonly size: number;
  readonly born: number;
  readonly died: number;
  readonly id: number;
}

function oldBodies(index: IndexDb): Generator<OldBody> {
  return paged<OldBody>(index, {
    sql: `SELECT size, born, died, id FROM body INDEXED BY body_attic WHERE place = ${Place.attic}
          AND (size, born, died, id) > (?, ?, ?, ?) ORDER BY size, born, died, id LIMIT ?`,
    start: [-1, -1, -1, -1],
    cursorOf: ({ size, born, died, id }) => [size, born, died, id],
  });
}

interface BeforeImage {
  readonly body: number;
  readonly block: number;
  readonly hi: number;
  readonly lo: number;
  readonly length: number;
}

function beforeImages(index: IndexDb): Generator<BeforeImage> {
  return paged<BeforeImage>(index, {
    sql: `SELECT body, block, hi, lo, length FROM before
          WHERE (body, block, hi) > (?, ?, ?) ORDER BY body, block, hi LIMIT ?`,
    start: [-1, -1, -1],
    cursorOf: ({ body, block, hi }) => [body, block, hi],
  });
}

/** Whether a kept point lies in from … to. */
function hasPoint(kept: ArrayLike<number>, from: number, to: number): boolean {
  let low = 0;
  let high = kept.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((kept[middle] ?? Infinity) < from) low = middle + 1;
    else high = middle;
  }
  return (kept[low] ?? Infinity) <= to;
}
