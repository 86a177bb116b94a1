/** What is asked of a set by those who watch it; `ServedSet` has it. */
import type { ScrubSummary } from '../../shared/api/scrub.js';
import type { SetActivity } from '../serve/served-set.js';

export interface WatchedSet {
  readonly reader: {
    readonly set: string;
    newest(): { readonly timeMs: number } | undefined;
  };
  activity(): SetActivity;
  readonly scrub?: { summary(): ScrubSummary } | undefined;
}
