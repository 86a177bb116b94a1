/**
 * Which keys an export is signed with, and whether the given one vouches for them. The given key may
 * be any that the replica signed with: an older one vouches for newer ones, because it signed that they
 * take over; a newer one for all before, because it signed an entry that names their digests.
 */
import { type KeyStep, keyStepSchema, type Signed } from './certificate.js';

type IsSigned = (text: string, signature: string, key: string) => boolean;

export class KeyLine {
  readonly #given: string;
  /** Keys as steps name them, oldest first. */
  readonly #line: string[] = [];
  /** Keys that signed something valid. */
  readonly #signed = new Set<string>();
  #first: string | undefined;
  #current: string | undefined;

  /** @param given the key that is trusted */
  constructor(given: string) {
    this.#given = given;
  }

  /** Takes a step between keys that is signed by both; what is wrong with it. */
  step(
    { text, signature, countersignature }: Signed,
    isSigned: IsSigned,
  ): { readonly problem: 'malformed' | 'altered' | 'key'; readonly message: string } | undefined {
    let step: KeyStep;
    try {
      step = keyStepSchema.parse(JSON.parse(text));
    } catch {
      return { problem: 'malformed', message: 'a line holds no change of keys' };
    }
    const { from, to } = step;
    const isValid =
      countersignature !== undefined &&
      isSigned(text, signature, from) &&
      isSigned(text, countersignature, to);
    if (!isValid) {
      return { problem: 'altered', message: `the change to key ${to} is not signed by both keys` };
    }
    const last = this.#line.at(-1);
    if (last !== undefined && last !== from) {
      return { problem: 'key', message: `the change to key ${to} does not follow the one before` };
    }
    if (last === undefined) this.#line.push(from);
    this.#line.push(to);
    return undefined;
  }

  /** Something is signed by `key`; what is wrong with that. */
  signer(key: string, isValid: boolean): string | undefined {
    if (isValid) this.#signed.add(key);
    this.#first ??= key;
    const expected = this.#current;
    this.#current = key;
    if (expected === undefined || expected === key) return undefined;
    return `is signed by key ${key}, but the old key did not sign that it takes over`;
  }

  /** A key takes over by an entry of the chain. */
  takeOver(next: string, isValid: boolean): void {
    if (isValid) this.#signed.add(next);
    this.#current = next;
  }

  /** What is wrong when all is read. */
  *objections(): Generator<string> {
    const first = this.#first;
    const given = this.#line.indexOf(this.#given);
    if (first === undefined || this.#signed.has(this.#given)) {
      const newest = this.#line.at(-1);
      if (newest !== undefined && this.#current !== undefined && this.#current !== newest) {
        yield `the chain ends with key ${this.#current}, which was replaced by ${newest}`;
      }
      return;
    }
    const at = this.#line.indexOf(first);
    if (given !== -1 && at > given) return;
    if (given !== -1 && at !== -1) {
      yield `the chain ends before the given key took over: it was cut off, or is another one`;
      return;
    }
    yield 'nothing in this file is vouched for by the given key';
  }
}
