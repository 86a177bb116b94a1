/** Failures of a mount: what the kernel is told, and what is asked again before it is told anything. */
import { setTimeout as delay } from 'node:timers/promises';
import { constants } from 'node:os';
import { AfterimageError, asAfterimageError, type ErrorCode } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';

const { EACCES, EIO, ENOENT, ESTALE } = constants.errno;

/** An answer that is an errno, and nothing that anybody has to hear of. */
export class FuseError extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.name = 'FuseError';
    this.errno = errno;
  }
}

const errnos: Partial<Record<ErrorCode, number>> = {
  'not-found': ESTALE,
  unauthorised: EACCES,
  forbidden: EACCES,
};

export function toErrno(error: unknown): number {
  if (error instanceof FuseError) return error.errno;
  return errnos[asAfterimageError(error).code] ?? EIO;
}

export const noEntry = new FuseError(ENOENT);

const RETRY_MS = 200;
const awayCodes: readonly ErrorCode[] = ['replica-unreachable', 'timed-out'];

/**
 * Asks the replica. While it is away a question waits until it is back, or until it has been away for
 * `patienceMs`: from then on every question fails at once, until one is answered.
 */
export class Reach {
  readonly #patienceMs: number;
  readonly #log: Log;
  #awaySinceMs: number | undefined;

  constructor(patienceMs: number, log: Log) {
    this.#patienceMs = patienceMs;
    this.#log = log;
  }

  async ask<T>(question: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await question();
        this.#back();
        return answer;
      } catch (error) {
        if (!isAway(error)) throw error;
        if (this.#away(error) >= this.#patienceMs) throw error;
      }
      await delay(RETRY_MS);
    }
  }

  /** For how long, ms. */
  #away(error: unknown): number {
    const nowMs = performance.now();
    if (this.#awaySinceMs === undefined) {
      this.#awaySinceMs = nowMs;
      this.#log.warn('the replica is away; reads wait for it', { patienceMs: this.#patienceMs });
      this.#log.error('the replica did not answer', error);
    }
    return nowMs - this.#awaySinceMs;
  }

  #back(): void {
    if (this.#awaySinceMs === undefined) return;
    const awayMs = Math.round(performance.now() - this.#awaySinceMs);
    this.#awaySinceMs = undefined;
    this.#log.info('the replica is back', { awayMs });
  }
}

function isAway(error: unknown): boolean {
  return error instanceof AfterimageError && awayCodes.includes(error.code);
}
