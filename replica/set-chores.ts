/**
 * Work on a set that is not a sync's: removing points, rewriting packs, repairs. It runs where the
 * writer lets it: between the steps of syncs, and while one is stalled, because a full disk may be
 * what only such work relieves.
 */
type Chore = () => Promise<void>;

export class SetChores {
  readonly #waiting: Chore[] = [];

  /** Resolves or rejects with what becomes of the work, once somebody calls `run`. */
  add<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // Whatever work throws, and when, is its asker's; the others are done all the same.
      this.#waiting.push(() => Promise.resolve().then(work).then(resolve, reject));
    });
  }

  /** Does all that waits, in order. Only the holder of the set's lock calls it. Never rejects. */
  async run(): Promise<void> {
    for (let chore = this.#waiting.shift(); chore !== undefined; chore = this.#waiting.shift())
      await chore();
  }
}
