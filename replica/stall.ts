/**
 * What happens when storage is full or fails: the step under way waits and is tried again, the set
 * says so, and nothing is lost. Old points stay readable meanwhile (R19).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type AfterimageError, asAfterimageError } from '../shared/errors.js';
import type { Log } from '../shared/log.js';
import type { SetEvent } from './receive/set-port.js';

const RETRY_MS = 1000;

export interface StallOptions {
  readonly log: Log;
  /** Aborted when the set closes: the wait ends with the error. */
  readonly signal: AbortSignal;
  readonly emit: (event: SetEvent) => void;
  /** Takes back what the failed step left half done in a transaction. */
  readonly rollBack: () => void;
  /** Other work on the set, done before each wait: it may make the room that is missing. */
  readonly meanwhile: () => Promise<void>;
}

export class Stall {
  readonly #options: StallOptions;
  #error: AfterimageError | undefined;

  constructor(options: StallOptions) {
    this.#options = options;
  }

  /** What keeps the set from going on, if something does. */
  get error(): AfterimageError | undefined {
    return this.#error;
  }

  /** Runs a step, which may be run again, until it is done. */
  async untilStored(step: () => Promise<void>): Promise<void> {
    while (!(await this.isStored(step))) {
      await this.#options.meanwhile();
      await delay(RETRY_MS, undefined, { signal: this.#options.signal }).catch(() => undefined);
    }
    this.#clear();
  }

  /** Runs a step once; false when it has to be run again. */
  async isStored(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      const trouble = asAfterimageError(error);
      if (this.#options.signal.aborted) throw trouble;
      this.#options.rollBack();
      this.#note(trouble);
      return false;
    }
  }

  #note(trouble: AfterimageError): void {
    if (this.#error?.message !== trouble.message) {
      this.#options.log.error('the set is stalled; it is tried again', trouble);
    }
    this.#error = trouble;
    this.#options.emit({ type: 'stalled', error: trouble });
  }

  #clear(): void {
    if (this.#error === undefined) return;
    this.#error = undefined;
    this.#options.log.info('the set goes on');
    this.#options.emit({ type: 'resumed' });
  }
}

/** Trouble that may pass: the step is tried again. Anything else drops the sync. */
export function isStorageTrouble(error: Pick<AfterimageError, 'code'>): boolean {
  return error.code === 'storage-full' || error.code === 'storage-failed';
}
