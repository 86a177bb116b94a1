/** How fast a job goes and how long it still takes: over the last seconds, not since its beginning. */
import type { JobProgress } from '../../shared/api/jobs.js';
import type { ProgressUpdate } from './job-kind.js';

const WINDOW_MS = 10_000;
const SAMPLE_MS = 500;
/** A rate over less than this says nothing. */
const SPAN_MS_MIN = 1000;

interface Sample {
  readonly timeMs: number;
  readonly bytes: number;
  readonly files: number;
}

export const noProgress: JobProgress = {
  step: null,
  bytes: 0,
  bytesTotal: null,
  files: 0,
  filesTotal: null,
  bytesPerSecond: null,
  filesPerSecond: null,
  leftMs: null,
};

export class ProgressMeter {
  #samples: Sample[] = [];
  #now: JobProgress;

  /** `from`: what an attempt before this one had; its rates count no more. */
  constructor(from: JobProgress | null) {
    this.#now = {
      ...(from ?? noProgress),
      bytesPerSecond: null,
      filesPerSecond: null,
      leftMs: null,
    };
  }

  /** `timeMs` never goes back. */
  update(update: ProgressUpdate, timeMs: number): void {
    const { step, bytes, bytesTotal, files, filesTotal } = update;
    const now = this.#now;
    if (step !== undefined && step !== now.step) this.#samples = [];
    this.#now = {
      ...now,
      step: step ?? now.step,
      bytes: bytes ?? now.bytes,
      bytesTotal: bytesTotal === undefined ? now.bytesTotal : bytesTotal,
      files: files ?? now.files,
      filesTotal: filesTotal === undefined ? now.filesTotal : filesTotal,
    };
    const last = this.#samples.at(-1);
    if (last !== undefined && (this.#now.bytes < last.bytes || this.#now.files < last.files)) {
      this.#samples = [];
    }
    if (last === undefined || timeMs - last.timeMs >= SAMPLE_MS) {
      this.#samples.push({ timeMs, bytes: this.#now.bytes, files: this.#now.files });
    }
    while ((this.#samples[1]?.timeMs ?? Infinity) <= timeMs - WINDOW_MS) this.#samples.shift();
  }

  /** As of `timeMs`: without news the rate falls, and the time left grows. */
  at(timeMs: number): JobProgress {
    const first = this.#samples[0];
    const spanMs = first === undefined ? 0 : timeMs - first.timeMs;
    if (first === undefined || spanMs < SPAN_MS_MIN) {
      return { ...this.#now, bytesPerSecond: null, filesPerSecond: null, leftMs: null };
    }
    const { bytes, bytesTotal, files, filesTotal } = this.#now;
    const bytesPerSecond = Math.round(((bytes - first.bytes) * 1000) / spanMs);
    const filesPerSecond = Math.round(((files - first.files) * 10_000) / spanMs) / 10;
    const leftMs =
      leftAt(bytes, bytesTotal, bytesPerSecond) ?? leftAt(files, filesTotal, filesPerSecond);
    return { ...this.#now, bytesPerSecond, filesPerSecond, leftMs };
  }

  /** What stays of it once the job has ended. */
  final(): JobProgress {
    return { ...this.#now, bytesPerSecond: null, filesPerSecond: null, leftMs: null };
  }
}

function leftAt(done: number, total: number | null, perSecond: number): number | null {
  if (total === null || total === 0 || perSecond <= 0) return null;
  return Math.round((Math.max(0, total - done) / perSecond) * 1000);
}
