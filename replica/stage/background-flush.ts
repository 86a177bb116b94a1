/** Flushes the file system while frames keep coming, one flush at a time. */
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';

const FLUSH_BYTES = 12 * 1024 * 1024;
/** Over a slow link it is not so much that is waited for: what is not durable goes with a replica that dies. */
const FLUSH_MS = 2_000;
const FLUSH_SOONER_BYTES = 1024 * 1024;

export interface BackgroundFlushOptions {
  readonly flushAll: () => Promise<void>;
  readonly log: Log;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** A flush is due after so many bytes. */
  readonly flushBytes?: number | undefined;
}

export class BackgroundFlush {
  readonly #flushAll: () => Promise<void>;
  readonly #log: Log;
  readonly #flushBytes: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** When the first byte came that is not flushed. */
  #sinceMs = -Infinity;
  #unflushedBytes = 0;
  #running: Promise<void> | undefined;
  #failure: unknown;

  constructor({ flushAll, log, clock, flushBytes = FLUSH_BYTES }: BackgroundFlushOptions) {
    this.#flushAll = flushAll;
    this.#log = log;
    this.#clock = clock;
    this.#flushBytes = flushBytes;
  }

  /** Notes bytes that a flush would make durable. */
  received(bytes: number): void {
    if (this.#unflushedBytes === 0) this.#sinceMs = this.#clock.monotonic();
    this.#unflushedBytes += bytes;
  }

  /** What was received is not wanted any more. */
  forget(): void {
    this.#unflushedBytes = 0;
  }

  get due(): boolean {
    if (this.#running !== undefined) return false;
    if (this.#unflushedBytes >= this.#flushBytes) return true;
    const isSlow = this.#clock.monotonic() - this.#sinceMs >= FLUSH_MS;
    return isSlow && this.#unflushedBytes >= Math.min(FLUSH_SOONER_BYTES, this.#flushBytes);
  }

  /** Flushes, then runs `after`. A failed flush is logged and marks nothing durable. */
  start(after: () => Promise<void>): void {
    this.forget();
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
