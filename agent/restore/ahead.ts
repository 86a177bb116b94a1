/** Keeps a few pieces of work under way and hands their results on in order. */

export class Ahead<T> {
  readonly #countMax: number;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** `next` begins a piece of work; undefined when there is no more. Rejects with the first failure. */
  async *run(next: () => Promise<T> | undefined): AsyncGenerator<T> {
    const under: Promise<T>[] = [];
    let more = true;
    for (;;) {
      while (more && under.length < this.#countMax) {
        const work = next();
        more = work !== undefined;
        if (work === undefined) break;
        // Awaited in its turn; until then nobody listens.
        work.catch(() => undefined);
        under.push(work);
      }
      const first = under.shift();
      if (first === undefined) return;
      yield await first;
    }
  }
}
