/** Seeded randomness for the trees: the same seed writes the same bytes on every machine. */
import { createCipheriv, createHash } from 'node:crypto';

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** A whole number in [least, most]. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** In [0, 1), by mulberry32. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** Bytes that do not compress. */
  bytes(length: number): Buffer {
    const key = createHash('sha256').update(String(this.#state)).digest().subarray(0, 16);
    this.fraction();
    return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
  }

  /** `count` different numbers in [0, bound), ascending; all of them when there are not more. */
  choose(count: number, bound: number): number[] {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(count, bound)) chosen.add(this.below(bound));
    return [...chosen].sort((a, b) => a - b);
  }
}

/** A seed for one of many streams, so that streams do not share a beginning. */
export function seedOf(...parts: readonly (number | string)[]): number {
  return createHash('sha256').update(parts.join('/')).digest().readUInt32LE(0);
}
