/** A map that forgets what was used least recently, once its entries weigh too much. */

export class BoundedMap<Key, Value> {
  readonly #weightMax: number;
  readonly #weigh: (value: Value) => number;
  readonly #onForget: (value: Value) => void;
  readonly #entries = new Map<Key, Value>();
  #oldest = this.#entries.keys();
  #weight = 0;

  constructor(
    weightMax: number,
    of: {
      readonly weigh?: (value: Value) => number;
      readonly onForget?: (value: Value) => void;
    } = {},
  ) {
    this.#weightMax = weightMax;
    this.#weigh = of.weigh ?? (() => 1);
    this.#onForget = of.onForget ?? (() => undefined);
  }

  get weight(): number {
    return this.#weight;
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Whether it is there, without that counting as a use. */
  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#weight += this.#weigh(value);
    while (this.#weight > this.#weightMax) {
      const oldest = this.#nextOldest();
      if (oldest === undefined || oldest === key) return;
      this.delete(oldest);
    }
  }

  /** One iterator goes on: a new one would pass by all that was deleted in front, each time. */
  #nextOldest(): Key | undefined {
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#entries.keys();
      next = this.#oldest.next();
    }
    return next.done === true ? undefined : next.value;
  }

  delete(key: Key): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#weigh(value);
    this.#onForget(value);
  }
}
