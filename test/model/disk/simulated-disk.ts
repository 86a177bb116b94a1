/**
 * A disk and a process that can be struck at every step of the product's own code: everything below
 * one folder goes through it. The process can be killed, the power cut, the disk be full once.
 */
import timers from 'node:timers/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { Seeded } from '../../support/seeded.js';
import { Journal, type Kept } from './journal.js';
import { realFs } from './real-fs.js';
import { Steps } from './steps.js';
import { WatchedDatabases } from './watched-databases.js';
import { WatchedFiles } from './watched-files.js';

/** Waits of the product from here on end when the model says so; shorter ones end at once. */
const LONG_WAIT_MS = 1000;
const realDelay = timers.setTimeout;

export class SimulatedDisk {
  readonly steps = new Steps();
  readonly folder: string;
  readonly #journal: Journal;
  readonly #files: WatchedFiles;
  readonly #databases: WatchedDatabases;
  readonly #waiting = new Set<() => void>();

  /** Watches `folder/set`; `folder` is an empty folder of the caller's. */
  constructor(folder: string) {
    this.folder = `${folder}/set`;
    const graves = `${folder}/graves`;
    realFs.mkdirSync(this.folder);
    realFs.mkdirSync(graves);
    this.#journal = new Journal(graves);
    this.#files = new WatchedFiles(this.folder, this.steps, this.#journal);
    this.#databases = new WatchedDatabases(this.folder, this.steps, this.#journal);
    this.#files.onFlushAll = () => {
      this.#databases.flushAll();
    };
  }

  install(): void {
    this.#files.install();
    this.#databases.install();
    timers.setTimeout = ((ms: number, value: unknown, options?: { signal?: AbortSignal }) =>
      this.#delay(ms, value, options?.signal)) as typeof timers.setTimeout;
    syncBuiltinESMExports();
  }

  uninstall(): void {
    this.#files.closeAll();
    this.#files.uninstall();
    this.#databases.uninstall();
    timers.setTimeout = realDelay;
    syncBuiltinESMExports();
  }

  /** Closes what is still open, when nobody looks at it any more. */
  abandon(): void {
    this.#databases.die(undefined);
    this.#files.closeAll();
  }

  /** Lets the product's long waits end: what stalled is tried again. */
  endWaits(): void {
    for (const end of this.#waiting) end();
  }

  /**
   * The process is gone, and with `cut` what was not flushed, too. Call it when the dead process's
   * objects were told to close, so that none of them runs any more.
   */
  restart(cut: { readonly random: Seeded; readonly kept: Kept } | undefined): void {
    this.#databases.die(cut);
    this.#files.closeAll();
    if (cut !== undefined) this.#journal.cut(cut.random, cut.kept);
    this.steps.revive();
  }

  async #delay(ms: number, value: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (ms < LONG_WAIT_MS) return new Promise((resolve) => setImmediate(resolve, value));
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        resolve();
      };
      this.#waiting.add(end);
      signal?.addEventListener('abort', end, { once: true });
      if (signal?.aborted === true) end();
    });
    return value;
  }
}
