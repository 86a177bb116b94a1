/** Flushes the file system while frames keep coming, one flush at a time. */
import type { Log } from '../../shared/log.js';

export class BackgroundFlush {
  readonly #flushAll: () => Promise<void>;
  readonly #log: Log;
  #running: Promise<void> | undefined;
  #failure: unknown;

  constructor(options: { readonly flushAll: () => Promise<void>; readonly log: Log }) {
    this.#flushAll = options.flushAll;
    this.#log = options.log;
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Flushes, then runs `after`. A failed flush is logged and marks nothing durable. */
  start(after: () => Promise<void>): void {
    this.#running = this.#flushAll()
      .then(after)
      .catch((error: unknown) => {
        this.#failure = error;
        this.#log.error('flushing received frames failed', error);
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** What a flush failed with since the last call: bytes received until then may be lost (R19). */
  takeFailure(): unknown {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** Resolves when no flush runs. Never call it under a lock that `after` takes. */
  async settled(): Promise<void> {
    await this.#running;
  }
}
