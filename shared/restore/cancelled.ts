/** How long work notices that somebody called it off. */
import { AfterimageError } from '../errors.js';

/** Throws `cancelled` once the signal says so. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new AfterimageError('cancelled', 'the work was cancelled', { cause: signal.reason });
  }
}
