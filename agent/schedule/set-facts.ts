/** What a set's state and journal say of themselves, for `status.json`: still told once they are closed. */
import type { Gap, Journal } from '../journal/journal.js';
import type { AgentState } from '../state.js';

export interface Facts {
  /** Newest point known to be committed; 0 for none. */
  readonly point: number;
  /** Paths recorded that no point covers. */
  readonly paths: number;
  /** Newest sequence of the journal that a point covers. */
  readonly committed: number;
  readonly gaps: readonly Gap[];
  /** 0 while a gap is open. */
  readonly continuityMs: number;
}

export class SetFacts {
  readonly #state: AgentState;
  readonly #journal: Journal;
  #last: Facts;
  #closed = false;

  constructor(state: AgentState, journal: Journal) {
    this.#state = state;
    this.#journal = journal;
    this.#last = this.#read();
  }

  /** As they are now; as they were last when they cannot be read any more. Never throws. */
  get(): Facts {
    if (this.#closed) return this.#last;
    try {
      this.#last = this.#read();
    } catch {
      // The set's next sync meets the same failure and tells it as the set's error.
    }
    return this.#last;
  }

  /** State and journal are about to be closed. */
  close(): void {
    this.get();
    this.#closed = true;
  }

  #read(): Facts {
    const journal = this.#journal;
    return {
      point: this.#state.committed.point,
      paths: journal.paths,
      committed: journal.committed,
      gaps: journal.gaps(),
      continuityMs: journal.continuityMs,
    };
  }
}
