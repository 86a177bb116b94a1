/**
 * Compares two texts line by line. Texts are made by agents: however they are, the thread goes on, and
 * what takes too long is given up.
 */
import { diffArrays } from 'diff';
import {
  TEXT_DIFF_LINES_MAX,
  type TextDiffAnswer,
  type TextDiffLine,
} from '../../shared/api/text-diff.js';
import { TimeSlice } from '../../shared/time-slice.js';

export type LineDiff = Pick<TextDiffAnswer, 'result' | 'added' | 'removed' | 'hunks' | 'truncated'>;
type Hunk = LineDiff['hunks'][number];

export interface LineDiffOptions {
  /** Unchanged lines around each change. */
  readonly context: number;
  /** At one go, and in all, giving way between. */
  readonly sliceMs?: number;
  readonly timeoutMs?: number;
}

/** Lines of a side; more are not compared. */
export const LINES_MAX = 100_000;
const SLICE_MS = 15;
const TIMEOUT_MS = 3_000;

const noChange: LineDiff = {
  ...{ result: 'same', added: 0, removed: 0 },
  ...{ hunks: [], truncated: false },
};

/** Lines with their ends. */
export function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Neither has more than `LINES_MAX` lines. */
export async function diffLines(
  from: readonly string[],
  to: readonly string[],
  options: LineDiffOptions,
): Promise<LineDiff> {
  const changes = await compare(from, to, options);
  if (changes === undefined) return { ...noChange, result: 'gave-up' };
  if (changes.every(({ type }) => type === 'same')) return noChange;
  return hunksOf(changes, { from, to, context: options.context });
}

interface Run {
  readonly type: TextDiffLine['type'];
  readonly count: number;
}

/** Numbers stand for lines, so that a comparison costs the same whatever they hold. */
async function compare(
  from: readonly string[],
  to: readonly string[],
  { sliceMs = SLICE_MS, timeoutMs = TIMEOUT_MS }: LineDiffOptions,
): Promise<Run[] | undefined> {
  const numbers = new Map<string, number>();
  const numberOf = (line: string): number => {
    const known = numbers.get(line) ?? numbers.size;
    numbers.set(line, known);
    return known;
  };
  const slice = new TimeSlice();
  const a = await mapped(from, numberOf, slice);
  const b = await mapped(to, numberOf, slice);
  // A line that one side lacks is no part of what both have: leaving it out changes nothing but the time.
  const sharedA = await placesOf(a, new Set(b), slice);
  const sharedB = await placesOf(b, new Set(a), slice);
  const numberAt = (lines: readonly number[]) => (at: number) => lines[at] ?? 0;
  const values = [
    await mapped(sharedA, numberAt(a), slice),
    await mapped(sharedB, numberAt(b), slice),
  ] as const;
  await slice.breathe();
  const soon = diffArrays(...values, { timeout: sliceMs }) as Compared | undefined;
  const found =
    soon ??
    (await new Promise<Compared | undefined>((resolve) => {
      diffArrays(...values, { timeout: timeoutMs, callback: resolve });
    }));
  return found === undefined ? undefined : runsOf(found, { sharedA, sharedB, a, b });
}

/** Lines between two looks at the clock. */
const STEP = 2048;

async function mapped<From>(
  values: readonly From[],
  map: (value: From) => number,
  slice: TimeSlice,
): Promise<number[]> {
  const found: number[] = [];
  for (const [at, value] of values.entries()) {
    found.push(map(value));
    if (at % STEP === 0) await slice.breathe();
  }
  return found;
}

async function placesOf(
  lines: readonly number[],
  others: ReadonlySet<number>,
  slice: TimeSlice,
): Promise<number[]> {
  const places: number[] = [];
  for (const [at, line] of lines.entries()) {
    if (others.has(line)) places.push(at);
    if (at % STEP === 0) await slice.breathe();
  }
  return places;
}

/** The whole texts' runs, from those of the lines that both have. */
function runsOf(
  found: Compared,
  of: {
    readonly sharedA: readonly number[];
    readonly sharedB: readonly number[];
    readonly a: readonly number[];
    readonly b: readonly number[];
  },
): Run[] {
  const runs: Run[] = [];
  let [atA, atB, sharedA, sharedB] = [0, 0, 0, 0];
  const upTo = (endA: number, endB: number): void => {
    addRun(runs, { type: 'removed', count: endA - atA });
    addRun(runs, { type: 'added', count: endB - atB });
    [atA, atB] = [endA, endB];
  };
  for (const { added, removed, count } of found) {
    for (let at = 0; at < count; at += 1) {
      if (!added && !removed) {
        upTo(of.sharedA[sharedA] ?? 0, of.sharedB[sharedB] ?? 0);
        addRun(runs, { type: 'same', count: 1 });
        [atA, atB] = [atA + 1, atB + 1];
      }
      if (!added) sharedA += 1;
      if (!removed) sharedB += 1;
    }
  }
  upTo(of.a.length, of.b.length);
  return runs;
}

function addRun(runs: Run[], run: Run): void {
  const last = runs.at(-1);
  if (run.count === 0) return;
  if (last?.type === run.type) runs[runs.length - 1] = { ...run, count: last.count + run.count };
  else runs.push(run);
}

type Compared = readonly {
  readonly added: boolean;
  readonly removed: boolean;
  readonly count: number;
}[];

interface Sides {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly context: number;
}

function hunksOf(runs: readonly Run[], sides: Sides): LineDiff {
  const hunks: Hunk[] = [];
  const maker = new HunkMaker(sides, hunks);
  let [added, removed] = [0, 0];
  for (const [at, run] of runs.entries()) {
    if (run.type === 'added') added += run.count;
    if (run.type === 'removed') removed += run.count;
    maker.take(run, at === runs.length - 1);
  }
  maker.end();
  return { result: 'differs', added, removed, hunks, truncated: maker.truncated };
}

class HunkMaker {
  readonly #sides: Sides;
  readonly #hunks: Hunk[];
  #hunk: Hunk | undefined;
  #lines = 0;
  /** Lines of each side that were passed. */
  #from = 0;
  #to = 0;
  truncated = false;

  constructor(sides: Sides, hunks: Hunk[]) {
    this.#sides = sides;
    this.#hunks = hunks;
  }

  take({ type, count }: Run, isLast: boolean): void {
    if (type === 'same') this.#takeSame(count, isLast);
    else {
      this.#begin();
      this.#add(type, count);
    }
  }

  end(): void {
    if (this.#hunk !== undefined) this.#hunks.push(this.#hunk);
    this.#hunk = undefined;
  }

  #takeSame(count: number, isLast: boolean): void {
    const { context } = this.#sides;
    if (this.#hunk === undefined) this.#skip(count);
    else if (isLast || count > 2 * context) {
      const after = Math.min(count, context);
      this.#add('same', after);
      this.end();
      this.#skip(count - after);
    } else this.#add('same', count);
  }

  #skip(count: number): void {
    this.#from += count;
    this.#to += count;
  }

  /** With the lines before, which are the same on both sides. */
  #begin(): void {
    if (this.#hunk !== undefined) return;
    const previous = this.#hunks.at(-1);
    const passed = previous === undefined ? 0 : endOf(previous);
    const before = Math.min(this.#sides.context, this.#from - passed);
    this.#from -= before;
    this.#to -= before;
    const lines: TextDiffLine[] = [];
    this.#hunk = {
      ...{ fromLine: this.#from + 1, fromLines: 0, toLine: this.#to + 1, toLines: 0, lines },
    };
    this.#add('same', before);
  }

  #add(type: Run['type'], count: number): void {
    const hunk = this.#hunk;
    for (let at = 0; at < count; at += 1) {
      const from = type === 'added' ? null : (this.#from += 1);
      const to = type === 'removed' ? null : (this.#to += 1);
      this.#lines += 1;
      if (hunk === undefined) continue;
      if (from !== null) hunk.fromLines += 1;
      if (to !== null) hunk.toLines += 1;
      if (this.#lines > TEXT_DIFF_LINES_MAX) this.truncated = true;
      else hunk.lines.push(this.#line({ type, from, to }));
    }
  }

  #line(place: Pick<TextDiffLine, 'type' | 'from' | 'to'>): TextDiffLine {
    const { from, to } = this.#sides;
    const line = place.from === null ? to[(place.to ?? 1) - 1] : from[place.from - 1];
    const text = line ?? '';
    return text.endsWith('\n')
      ? { ...place, text: text.slice(0, -1) }
      : { ...place, text, noNewline: true };
  }
}

/** Lines of the older side up to the hunk's end. */
function endOf({ fromLine, fromLines }: Hunk): number {
  return fromLine - 1 + fromLines;
}
