/**
 * The states of a set's writer and what may follow what. A transition that is not listed here does
 * not happen: see `SetWriter`.
 */
import { invariant } from '../shared/errors.js';

export const setStates = ['idle', 'receiving', 'sealing', 'sealed', 'applying'] as const;
/**
 * - idle: no sync under way
 * - receiving: frames are staged into the intent
 * - sealing: all frames are here and are checked against the state they apply to
 * - sealed: checked and durable; the agent may forget its image
 * - applying: between transactions A and B, where there is only redo
 */
export type SetState = (typeof setStates)[number];

const next: Record<SetState, readonly SetState[]> = {
  idle: ['receiving', 'sealing', 'applying'],
  receiving: ['idle', 'sealing'],
  sealing: ['idle', 'sealed'],
  sealed: ['applying'],
  applying: ['idle'],
};

/** True while base, packs and index are those of the newest point, and no sync changes them. */
export function isOpenState(state: SetState): boolean {
  return state === 'idle' || state === 'receiving';
}

export class SetStateMachine {
  #state: SetState = 'idle';

  get state(): SetState {
    return this.#state;
  }

  to(state: SetState): void {
    if (state === this.#state) return;
    invariant(next[this.#state].includes(state), `a set goes from ${this.#state} to ${state}`);
    this.#state = state;
  }
}
