/**
 * Where time goes on the way of a sync: for each stage how often it was entered, for how long and
 * with how many bytes, since the process began. Always counted, because it costs two readings of a
 * clock for a piece of work; all threads of a process count into one memory, each into its own row.
 */
import {
  getEnvironmentData,
  isMainThread,
  setEnvironmentData,
  threadId,
} from 'node:worker_threads';

/** Places in the counters. What a stage means where is told in docs/guide/benchmarks.md. */
export const Stage = {
  read: 0,
  hash: 1,
  has: 2,
  compress: 3,
  seal: 4,
  publish: 5,
  window: 6,
  receive: 7,
  open: 8,
  decompress: 9,
  write: 10,
  check: 11,
  flush: 12,
  apply: 13,
  index: 14,
} as const;
export type StageName = keyof typeof Stage;
type StageIndex = (typeof Stage)[StageName];

export interface StageCount {
  readonly calls: number;
  /** Sum over all threads, and over what ran at the same time. */
  readonly ms: number;
  readonly bytes: number;
}

const NUMBERS = 3;
const STAGES = Object.keys(Stage).length;
const ROW = STAGES * NUMBERS;
/** More threads than these share rows, and may lose counts. */
const THREADS = 32;
const KEY = 'afterimage-stages';

const all = new Float64Array(counterMemory());
const own = all.subarray((threadId % THREADS) * ROW, ((threadId % THREADS) + 1) * ROW);

/** Threads that start later find the memory of the first one. */
function counterMemory(): SharedArrayBuffer {
  const known: unknown = getEnvironmentData(KEY);
  if (known instanceof SharedArrayBuffer) return known;
  const memory = new SharedArrayBuffer(THREADS * ROW * Float64Array.BYTES_PER_ELEMENT);
  if (isMainThread) setEnvironmentData(KEY, memory);
  return memory;
}

/** A piece of work of a stage is done that began at `startMs`, by `performance.now()`. */
export function countStage(stage: StageIndex, startMs: number, bytes = 0): void {
  const at = stage * NUMBERS;
  own[at] = (own[at] ?? 0) + 1;
  own[at + 1] = (own[at + 1] ?? 0) + performance.now() - startMs;
  own[at + 2] = (own[at + 2] ?? 0) + bytes;
}

/** Stages that were entered, of all threads. */
export function stageCounts(): Partial<Record<StageName, StageCount>> {
  const counts: Partial<Record<StageName, StageCount>> = {};
  for (const [name, stage] of Object.entries(Stage) as [StageName, StageIndex][]) {
    const [calls, ms, bytes] = [0, 1, 2].map((number) => sumOf(stage * NUMBERS + number));
    if (calls !== undefined && calls > 0) {
      counts[name] = { calls, ms: Math.round(ms ?? 0), bytes: bytes ?? 0 };
    }
  }
  return counts;
}

function sumOf(place: number): number {
  let sum = 0;
  for (let row = 0; row < THREADS; row += 1) sum += all[row * ROW + place] ?? 0;
  return sum;
}
