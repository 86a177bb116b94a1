/** Bounds how many bytes a second are read, over everything that reads through it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../shared/clock.js';

/** A reader that was away earns at most this much of a burst. */
const BURST_MS = 250;

export class ByteRate {
  readonly #clock: Clock;
  #bytesPerSecond: number;
  #freeMs = -Infinity;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  set(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
    this.#freeMs = Math.min(this.#freeMs, this.#clock.monotonic());
  }

  /** Takes `bytes`; resolves when the next may be read. `share` less than 1 makes it wait longer. */
  async take(
    bytes: number,
    wait: { readonly share: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const nowMs = this.#clock.monotonic();
    const costMs = (bytes * 1000) / (this.#bytesPerSecond * wait.share);
    this.#freeMs = Math.max(this.#freeMs, nowMs - BURST_MS) + costMs;
    const waitMs = this.#freeMs - nowMs;
    if (waitMs < 1) return;
    await delay(waitMs, undefined, { signal: wait.signal }).catch(() => undefined);
  }
}
