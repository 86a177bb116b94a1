/**
 * How long the agent's thread, which owns the socket, did nothing but one thing while a set was
 * synced: messages and answers waited for so long. What other sets did meanwhile counts too.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Between two looks at the clock: shorter stretches are not seen. */
const RESOLUTION_MS = 5;

export class BlockMeter {
  #histogram: IntervalHistogram | undefined;
  #lastMs: number | undefined;

  /** Of the sync under way, else of the last one, ms; undefined before the first. */
  get blockMsMax(): number | undefined {
    return this.#histogram === undefined ? this.#lastMs : toBlockMs(this.#histogram);
  }

  begin(): void {
    this.end();
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  end(): void {
    if (this.#histogram === undefined) return;
    this.#lastMs = toBlockMs(this.#histogram);
    this.#histogram.disable();
    this.#histogram = undefined;
  }
}

/** A look comes late by as long as the thread was blocked. */
function toBlockMs({ max }: IntervalHistogram): number {
  return Math.max(0, Math.round(max / 1e5 - RESOLUTION_MS * 10) / 10);
}
