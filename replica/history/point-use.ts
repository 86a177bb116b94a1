/**
 * Which points are being read: retention leaves them for next time, so that a long restore does not
 * lose its point on the way. A point counts as read a little longer than it is open, because a
 * restore over the network opens it for each request anew.
 */
import type { Clock } from '../../shared/clock.js';

const GRACE_MS = 60_000;
const FORGET_ABOVE = 1000;

interface Use {
  open: number;
  lastMs: number;
}

export class PointUse {
  readonly #uses = new Map<number, Use>();
  readonly #clock: Pick<Clock, 'monotonic'>;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Notes that somebody reads the point, until what is returned is called. */
  begin(point: number): () => void {
    if (this.#uses.size > FORGET_ABOVE) this.#forget();
    const use = this.#uses.get(point) ?? { open: 0, lastMs: 0 };
    this.#uses.set(point, use);
    use.open += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      use.open -= 1;
      use.lastMs = this.#clock.monotonic();
    };
  }

  isUsed(point: number): boolean {
    const use = this.#uses.get(point);
    return use !== undefined && this.#isRecent(use);
  }

  #isRecent({ open, lastMs }: Use): boolean {
    return open > 0 || this.#clock.monotonic() - lastMs < GRACE_MS;
  }

  #forget(): void {
    for (const [point, use] of this.#uses) if (!this.#isRecent(use)) this.#uses.delete(point);
  }
}
