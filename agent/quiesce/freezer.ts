/** Stops all processes of an application at one instant, and lets them go on again. */
import type { QuiesceFacts } from './recipe.js';
import type { ReleaseAction } from './release-action.js';

export interface Freezer {
  /** What lets them go on, for the watchdog to hold before anything is stopped. */
  readonly action: ReleaseAction;
  /**
   * Resolves when everything stands still. `change` gives the watchdog another action, for what was
   * found on the way; it is waited for before that is stopped.
   */
  freeze(
    signal: AbortSignal,
    change: (action: ReleaseAction) => Promise<void>,
  ): Promise<QuiesceFacts>;
  /** Whether everything that was stopped still stands as it did. */
  isFrozen(): boolean;
}
