/**
 * Ended bodies of which an agent was told that their blocks are here (R10): the sync that will copy
 * them must find them, so retention leaves them alone until that sync is over. Bounded, in number
 * and in time.
 */
import type { Clock } from '../../shared/clock.js';

const BODIES_MAX = 100_000;
/** After so long without a question nobody is planning by the answers. */
const FORGET_MS = 3600 * 1000;

export class PromisedBodies {
  readonly #bodies = new Set<number>();
  readonly #clock: Pick<Clock, 'monotonic'>;
  #lastMs = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  add(body: number): void {
    this.#lastMs = this.#clock.monotonic();
    if (this.#bodies.size < BODIES_MAX) this.#bodies.add(body);
  }

  /** True for every body once there are too many to remember. */
  has(body: number): boolean {
    if (this.#bodies.size === 0) return false;
    if (this.#clock.monotonic() - this.#lastMs > FORGET_MS) this.clear();
    return this.#bodies.size >= BODIES_MAX || this.#bodies.has(body);
  }

  clear(): void {
    this.#bodies.clear();
  }
}
