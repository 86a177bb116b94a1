/** Hands out stretches of the kernel's words for marks: first fit, joined again when given back. */
export interface WordSpan {
  readonly first: number;
  readonly count: number;
}

export class WordRoom {
  #free: WordSpan[];

  constructor(words: number) {
    this.#free = [{ first: 0, count: words }];
  }

  /** Undefined when no stretch is long enough. */
  take(count: number): WordSpan | undefined {
    const at = this.#free.findIndex((span) => span.count >= count);
    const span = this.#free[at];
    if (span === undefined) return undefined;
    const rest = { first: span.first + count, count: span.count - count };
    this.#free.splice(at, 1, ...(rest.count > 0 ? [rest] : []));
    return { first: span.first, count };
  }

  give(span: WordSpan): void {
    const all = [...this.#free, span].sort((a, b) => a.first - b.first);
    this.#free = [];
    for (const { first, count } of all) {
      const last = this.#free.at(-1);
      if (last !== undefined && last.first + last.count === first) {
        this.#free[this.#free.length - 1] = { first: last.first, count: last.count + count };
      } else {
        this.#free.push({ first, count });
      }
    }
  }
}
