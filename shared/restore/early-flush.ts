/**
 * Flushes while a restore is still writing: what is made durable at the end is then only the rest, and
 * the disk works while the processor does. One flush at a time; what it fails with is the end's failure.
 */
import type { Posix } from '../posix/posix.js';

/** Written since the last flush began. */
const EVERY_BYTES = 64 * 1024 * 1024;

export class EarlyFlush {
  readonly #posix: Pick<Posix, 'fstat' | 'syncfs'>;
  readonly #descriptors: () => readonly number[];
  #begunAt = 0;
  #running = false;
  #last: Promise<void> = Promise.resolve();

  /** @param descriptors folders on the file systems that are written to; open until `settle` */
  constructor(posix: Pick<Posix, 'fstat' | 'syncfs'>, descriptors: () => readonly number[]) {
    this.#posix = posix;
    this.#descriptors = descriptors;
  }

  /** Begins a flush when enough was written since the one before, and that one is done. */
  wrote(bytesWritten: number): void {
    if (this.#running || bytesWritten - this.#begunAt < EVERY_BYTES) return;
    this.#begunAt = bytesWritten;
    this.#running = true;
    this.#last = this.#flush();
    // Whoever waits gets the failure; nothing is lost by not listening here.
    this.#last.catch(() => undefined);
  }

  /** Resolves when no flush is under way. Rejects with what one failed with: no later one tells it again. */
  async done(): Promise<void> {
    await this.#last;
  }

  /** As `done`, whatever became of it. */
  async settle(): Promise<void> {
    await this.#last.catch(() => undefined);
  }

  async #flush(): Promise<void> {
    const seen = new Set<number>();
    for (const fd of this.#descriptors()) {
      const { dev } = this.#posix.fstat(fd);
      if (!seen.has(dev)) await this.#posix.syncfs(fd);
      seen.add(dev);
    }
    // A failed one is the last: `#running` stays.
    this.#running = false;
  }
}
