/** Between units of planning: gives way to the event loop, commits what gathered, obeys a stop. */
import { TimeSlice } from '../../shared/time-slice.js';
import type { AgentState } from '../state.js';

export class Pause {
  readonly slice = new TimeSlice();
  readonly #state: AgentState;
  readonly #signal: AbortSignal;

  constructor(state: AgentState, signal: AbortSignal) {
    this.#state = state;
    this.#signal = signal;
  }

  /** Throws the signal's reason once it is aborted. Only where rows and undo images are whole. */
  breathe(): Promise<void> | undefined {
    this.#signal.throwIfAborted();
    return this.#state.breathe() ?? this.slice.breathe();
  }
}
