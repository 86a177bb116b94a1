/**
 * Keeps long synchronous work from stalling the event loop: call `breathe` between units of work;
 * it gives way once the slice is used up.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

export class TimeSlice {
  readonly #sliceMs: number;
  #startedMs = performance.now();

  constructor(sliceMs = 10) {
    this.#sliceMs = sliceMs;
  }

  /** Undefined while the slice lasts, so that the usual case costs no microtask. */
  breathe(): Promise<void> | undefined {
    return performance.now() - this.#startedMs < this.#sliceMs ? undefined : this.#giveWay();
  }

  async #giveWay(): Promise<void> {
    await nextTurn();
    this.#startedMs = performance.now();
  }
}
