/**
 * Whether compression made anything faster. Frames wait for credit also when the replica is slow and
 * the link is not; compression takes time then and gives none back. So each time it begins, what
 * arrives per second is compared with what arrived before; where that is no more, it ends for a while.
 */
import type { TrialResult } from './compression-policy.js';
import type { LinkReading } from './link-meter.js';

/** What was sent before still fills the window: so much has to arrive until readings count. */
const SETTLE_BYTES = 16 * 1024 * 1024;
/** Content of readings that count. */
const TRIAL_BYTES = 16 * 1024 * 1024;
const GAIN_MIN = 1.05;
/** Content for a byte that travels, where frames count as not compressed. */
const HARDLY_MAX = 1.1;
/** What arrived before says nothing about now after so long. */
const COMPARABLE_MS = 30_000;
const PAUSE_MS = 5_000;
const PAUSE_MS_MAX = 80_000;

interface Running {
  /** Bytes of content a ms that arrived before. */
  readonly before: number;
  arrivedBytes: number;
  countedBytes: number;
  countedMs: number;
}

export class CompressionTrial {
  /** The newest of frames that were hardly compressed: content a ms, and when. */
  #without: { readonly bytesPerMs: number; readonly atMs: number } | undefined;
  #running: Running | undefined;
  #compressing = false;
  #pauseMs = PAUSE_MS;
  #inVainUntilMs = -Infinity;
  /** Content cut since the trial began, and how much of it was compressed. */
  #cutBytes = 0;
  #compressedBytes = 0;

  result(nowMs: number): TrialResult {
    if (nowMs < this.#inVainUntilMs) return 'in-vain';
    if (this.#compressing) return 'open';
    const { atMs } = this.#without ?? { atMs: -Infinity };
    return nowMs - atMs < COMPARABLE_MS ? 'open' : 'unprepared';
  }

  /** A frame was cut; `isBulk`: compressed because the link is slow. */
  frame({ isBulk, bytes }: { readonly isBulk: boolean; readonly bytes: number }): void {
    if (isBulk && !this.#compressing) this.#begin();
    this.#compressing = isBulk;
    this.#cutBytes += bytes;
    if (isBulk) this.#compressedBytes += bytes;
  }

  read(reading: LinkReading, nowMs: number): void {
    if (reading.raw < reading.wire * HARDLY_MAX) {
      this.#without = { bytesPerMs: reading.raw / reading.ms, atMs: nowMs };
    }
    const running = this.#running;
    if (running === undefined) return;
    running.arrivedBytes += reading.raw;
    if (running.arrivedBytes < SETTLE_BYTES) return;
    running.countedBytes += reading.raw;
    running.countedMs += reading.ms;
    if (running.countedBytes >= TRIAL_BYTES) this.#judge(running, nowMs);
  }

  #begin(): void {
    this.#cutBytes = 0;
    this.#compressedBytes = 0;
    const before = this.#without?.bytesPerMs;
    if (before === undefined) return;
    this.#running = { before, arrivedBytes: 0, countedBytes: 0, countedMs: 0 };
  }

  interrupt(): void {
    this.#running = undefined;
    this.#without = undefined;
    this.#compressing = false;
  }

  #judge(running: Running, nowMs: number): void {
    this.#running = undefined;
    // what was not compressed could not become faster
    if (this.#compressedBytes * 2 < this.#cutBytes) return;
    const isFaster = running.countedBytes / running.countedMs >= running.before * GAIN_MIN;
    this.#inVainUntilMs = isFaster ? -Infinity : nowMs + this.#pauseMs;
    this.#pauseMs = isFaster ? PAUSE_MS : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
  }
}
