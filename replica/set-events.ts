/** Tells of what becomes of a set's syncs, in order. */
import type { SetEvent } from './receive/set-port.js';

export class SetEvents {
  readonly #listeners = new Set<(event: SetEvent) => void>();

  listen(listener: (event: SetEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => this.#listeners.delete(listener) };
  }

  readonly tell = (event: SetEvent): void => {
    for (const listener of [...this.#listeners]) listener(event);
  };
}
