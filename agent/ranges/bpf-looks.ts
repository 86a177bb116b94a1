/**
 * The looks at one file, in order, and what changed between them. Ranges that a look took from the
 * kernel stay here until the state holds a later basis, so that a sync that is taken back loses none:
 * the next look is asked since an earlier basis, and answers the union.
 */
import { BlockMarks } from './bpf-marks.js';

interface Look {
  /** Words of looks that saw the file at, or before, this place of the chain. */
  readonly words: Set<string>;
  /** What was marked from this look to the next one. */
  readonly since: BlockMarks;
}

/** Looks kept a file; beyond that the two oldest count as one, as of the older. */
const LOOKS_MAX = 8;

export class Looks {
  #chain: Look[] = [];

  /** Marks that were taken off the kernel: they came after the last look. */
  taken(marks: BlockMarks): void {
    this.#chain.at(-1)?.since.merge(marks);
  }

  /** A look for which all marks were taken; it is the last. */
  add(word: string): void {
    this.#chain.push({ words: new Set([word]), since: new BlockMarks() });
    const [oldest, next] = this.#chain;
    if (this.#chain.length <= LOOKS_MAX || oldest === undefined || next === undefined) return;
    oldest.since.merge(next.since);
    for (const later of next.words) oldest.words.add(later);
    this.#chain.splice(1, 1);
  }

  /** A look that took nothing: whatever is marked since the last one counts again. */
  addBeside(word: string): void {
    this.#chain.at(-1)?.words.add(word);
  }

  /** What was marked since the look `word`; undefined when it is not known. */
  since(word: string | undefined): BlockMarks | undefined {
    const from = this.#placeOf(word);
    if (from === undefined) return undefined;
    const marks = new BlockMarks();
    for (const look of this.#chain.slice(from)) marks.merge(look.since);
    return marks;
  }

  /** The look came to nothing: nobody will ask since it. */
  forget(word: string): void {
    const place = this.#placeOf(word);
    const look = place === undefined ? undefined : this.#chain[place];
    if (place === undefined || look === undefined) return;
    look.words.delete(word);
    const before = this.#chain[place - 1];
    if (look.words.size > 0 || before === undefined) return;
    before.since.merge(look.since);
    this.#chain.splice(place, 1);
  }

  /** Keeps what is asked since `word` only. False when that is not known. */
  settle(word: string | undefined): boolean {
    const since = this.since(word);
    this.#chain =
      since === undefined || word === undefined ? [] : [{ words: new Set([word]), since }];
    return since !== undefined;
  }

  /** Changes may have gone unseen: no look before now can be built on. */
  clear(): void {
    this.#chain = [];
  }

  get length(): number {
    return this.#chain.length;
  }

  #placeOf(word: string | undefined): number | undefined {
    if (word === undefined) return undefined;
    const place = this.#chain.findIndex(({ words }) => words.has(word));
    return place < 0 ? undefined : place;
  }
}
