/** Holds nothing: files are read at different instants, and the point says `crash`. */
import type { Clock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import type { QuiesceRecipe } from './recipe.js';

export function createNoneRecipe(clock: Clock): QuiesceRecipe {
  return {
    name: 'none',
    consistency: 'crash',
    hold(signal) {
      if (signal.aborted) {
        return Promise.reject(
          new AfterimageError('cancelled', 'the hold was cancelled', { cause: signal.reason }),
        );
      }
      return Promise.resolve({
        heldSinceMs: clock.now(),
        facts: {},
        broken: new AbortController().signal,
        release: () =>
          Promise.resolve({ heldMs: 0, intact: true, releasedBy: 'agent', problems: [] }),
      });
    },
  };
}
