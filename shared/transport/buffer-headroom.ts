/**
 * Keeps V8 from collecting the whole heap every few frames. It counts the bytes of Buffers that are
 * garbage, but not collected yet, against a limit that grows with the live heap; ours is small beside
 * the frames that pass through, so marking it never ended: it took four fifths of sender's and
 * receiver's CPU time. With a fixed headroom it takes next to none.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** V8 collects young Buffers when 32 MiB of them wait; this is above it. */
const HEADROOM_BYTES = 48 * 1024 * 1024;
/** Live heap whose own growth leaves enough room, as V8 sees it. */
const GROWTH_PERCENT_MIN = 50;
const ADJUST_MS = 10_000;

let kept = false;

/** Lets garbage reach about 48 MiB before the whole heap is collected, in this process from now on. */
export function keepBufferHeadroom(): void {
  if (kept) return;
  kept = true;
  adjust();
  setInterval(adjust, ADJUST_MS).unref();
}

function adjust(): void {
  const percent = growthPercent(getHeapStatistics().used_heap_size);
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/** By how much a heap may grow before it is collected; 0 leaves it to V8. */
export function growthPercent(heapBytes: number): number {
  const percent = Math.ceil((100 * HEADROOM_BYTES) / heapBytes);
  return percent < GROWTH_PERCENT_MIN ? 0 : percent;
}
