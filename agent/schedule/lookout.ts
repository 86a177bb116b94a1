/**
 * What a set's next sync must look at. Behind a source that reports everything in order that is what
 * was reported; a survey in the background finds what raises no event. Everything, after a failure,
 * a gap of the whole set, and where an operator, a schedule or an application asks for a point that
 * nothing may be missing from.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { asAfterimageError } from '../../shared/errors.js';
import type { CaptureSource } from '../capture/capture-source.js';
import type { SetParts, SyncRequest, SyncResult } from '../pipeline.js';
import type { Operation } from '../plan/sync-report.js';
import { survey } from './survey.js';

export class Lookout {
  readonly #parts: SetParts;
  readonly #capture: CaptureSource;
  readonly #stop = new AbortController();
  /** The next sync looks at everything, whatever is reported. */
  #everythingDue = true;
  /** Asked for since the sync under way began. */
  #askedSince = false;
  #scannedMs: number | undefined;
  #surveying: Promise<void> | undefined;
  /** Settles when the sync under way is over. */
  #syncing: Promise<void> | undefined;
  #synced: () => void = () => undefined;
  readonly #onFound: () => void;

  /** `onFound` is called when a survey found what a sync must look at. */
  constructor(parts: SetParts, capture: CaptureSource, onFound: () => void) {
    this.#parts = parts;
    this.#capture = capture;
    this.#onFound = onFound;
  }

  /** The next sync of a continuous set need not look at everything. */
  get targeted(): boolean {
    if (this.#everythingDue || this.#capture.drain === undefined) return false;
    return !this.#parts.journal.hasWholeGap && this.#parts.recipe().name === 'none';
  }

  /** For one sync; `over` must be called when it has ended. */
  begin(operation: Operation): Pick<SyncRequest, 'drain' | 'scanAgeMs'> {
    this.#askedSince = false;
    this.#syncing = new Promise((resolve) => {
      this.#synced = resolve;
    });
    const ageMs =
      this.#scannedMs === undefined ? undefined : this.#parts.clock.now() - this.#scannedMs;
    const scanAgeMs = ageMs === undefined ? undefined : Math.max(0, ageMs);
    if (operation !== 'change' || !this.targeted) return { scanAgeMs };
    return { scanAgeMs, drain: () => this.#drain() };
  }

  /** Undefined for a sync that failed. */
  over(sync: { readonly startedMs: number; readonly result: SyncResult | undefined }): void {
    const { result, startedMs } = sync;
    this.#syncing = undefined;
    this.#synced();
    if (result === undefined || result.type === 'diverged') {
      this.#everythingDue = true;
      return;
    }
    if (result.looked === 'everything') {
      this.#everythingDue = this.#askedSince;
      this.#scannedMs = startedMs;
    }
    if (result.again === undefined) this.#everythingDue = true;
    else for (const { path, look } of result.again) this.#parts.journal.record(path, look);
  }

  /** How much a sync left that is to be looked at again soon, by itself. */
  leftBy(result: Exclude<SyncResult, { type: 'diverged' }>): number {
    if (this.#capture.drain === undefined) return result.unsettled;
    return result.again?.length ?? result.unsettled;
  }

  /** Something in the state asks for a look that no event asks for. */
  lookAtEverything(): void {
    this.#askedSince = true;
    this.#everythingDue = true;
  }

  /** It is time to look for what raises no event. False when only a sync can. */
  survey(): boolean {
    if (!this.targeted) return false;
    this.#surveying ??= this.#survey().finally(() => {
      this.#surveying = undefined;
    });
    return true;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#surveying;
  }

  async #drain(): Promise<boolean> {
    await this.#capture.drain?.();
    return this.targeted;
  }

  async #survey(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stop;
    const startedMs = clock.now();
    try {
      const different = await survey(this.#parts, {
        idle: () => {
          signal.throwIfAborted();
          return this.#syncing;
        },
        rest: (ms) => delay(ms, undefined, { signal }),
      });
      this.#scannedMs = Math.max(startedMs, this.#scannedMs ?? startedMs);
      log.debug('looked for changes without events', { different, ms: clock.now() - startedMs });
      if (different > 0) this.#onFound();
    } catch (error) {
      if (signal.aborted) return;
      // The sync that is due now meets the same, and tells it.
      this.#everythingDue = true;
      log.debug('the look for changes without events failed', {
        error: asAfterimageError(error).message,
      });
      this.#onFound();
    }
  }
}
