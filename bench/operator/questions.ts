/** What an operator asks of a very large set, through the API of a process that serves it. */
import { searchSchema } from '../../shared/api/search.js';
import { timelineSchema } from '../../shared/api/timeline.js';
import { versionsSchema } from '../../shared/api/versions.js';
import { AfterimageError } from '../../shared/errors.js';
import { quantile } from '../summary.js';
import { Random } from '../trees/random.js';
import { Asker } from './ask.js';
import { CONTENT_PATH, folderOf, timeOf, words } from './build-set.js';

export interface QuestionSet {
  readonly files: number;
  readonly points: number;
}

/** Milliseconds of each question, one value a round. */
export type QuestionTimes = Record<
  | 'overview'
  | 'timeline'
  | 'timelineLong'
  | 'list'
  | 'search'
  | 'firstByte'
  | 'versions'
  | 'simulate',
  number[]
>;

const ASKED = 15;
const SEARCHED_WORDS = 12;
const TIMELINE_BYTES_MAX = 200_000;

export function noTimes(): QuestionTimes {
  return {
    ...{ overview: [], timeline: [], timelineLong: [], list: [] },
    ...{ search: [], firstByte: [], versions: [], simulate: [] },
  };
}

/**
 * Asks everything a number of times; a round's value is the median, of searches the 95th percentile.
 * Throws `mismatch` when an answer is not what was built. `wide` has the files, `long` 100,000 points.
 */
export async function askQuestions(
  at: { readonly url: string; readonly token: string },
  sets: { readonly wide: QuestionSet; readonly long: QuestionSet; readonly seed: number },
  times: QuestionTimes,
): Promise<void> {
  const asker = new Asker(at);
  const questions = new Questions(asker, sets);
  try {
    // The first of all finds the points in the index; a console asks again and again.
    await questions.timeline('wide');
    await questions.timeline('long');
    times.overview.push(await median(() => questions.overview()));
    times.timeline.push(await median(() => questions.timeline('wide')));
    times.timelineLong.push(await median(() => questions.timeline('long')));
    times.list.push(await median(() => questions.list()));
    times.versions.push(await median(() => questions.versions()));
    times.simulate.push(await median(() => questions.simulate()));
    times.firstByte.push(await median(() => questions.firstByte()));
    const searches = (await questions.searches()).sort((a, b) => a - b);
    times.search.push(quantile(searches, 0.95));
  } finally {
    asker.close();
  }
}

async function median(ask: () => Promise<number>): Promise<number> {
  const found: number[] = [];
  for (let time = 0; time < ASKED; time += 1) found.push(await ask());
  return quantile(
    found.sort((a, b) => a - b),
    0.5,
  );
}

class Questions {
  readonly #asker: Asker;
  readonly #sets: { readonly wide: QuestionSet; readonly long: QuestionSet };
  readonly #random: Random;

  constructor(
    asker: Asker,
    sets: { readonly wide: QuestionSet; readonly long: QuestionSet; readonly seed: number },
  ) {
    this.#asker = asker;
    this.#sets = sets;
    this.#random = new Random(sets.seed);
  }

  async overview(): Promise<number> {
    return (await this.#asker.ask('/v1/status')).ms;
  }

  /** Of everything, or of a stretch of it. */
  async timeline(set: 'wide' | 'long'): Promise<number> {
    const { points } = this.#sets[set];
    const from = this.#random.below(2) * this.#random.below(Math.max(1, points - 1));
    const query = from === 0 ? '' : `&from=${timeOf(from)}`;
    const { json, ms, body } = await this.#asker.json(
      `/v1/sets/${set}/timeline?buckets=300${query}`,
    );
    const { total, buckets } = timelineSchema.parse(json);
    if (total === points && buckets.length > 0 && body.length <= TIMELINE_BYTES_MAX) return ms;
    throw new AfterimageError('mismatch', `a timeline of ${total} points, ${body.length} bytes`);
  }

  /** A folder of 1,000 files at some point. */
  async list(): Promise<number> {
    const { files, points } = this.#sets.wide;
    const folder = encodeURIComponent(folderOf(this.#random.below(files)));
    const point = 1 + this.#random.below(points);
    return (await this.#asker.ask(`/v1/sets/wide/points/${point}/ls?path=${folder}`)).ms;
  }

  async versions(): Promise<number> {
    const folder = folderOf(this.#random.below(this.#sets.wide.files));
    const query = `path=${encodeURIComponent(folder)}`;
    const { json, ms } = await this.#asker.json(`/v1/sets/wide/versions?${query}`);
    if (versionsSchema.parse(json).live) return ms;
    throw new AfterimageError('mismatch', `${folder} has no live version`);
  }

  async simulate(): Promise<number> {
    const policy = { withinMs: 86_400_000, hourly: 48, daily: 30, weekly: 12, monthly: 24 };
    const body = { policy, horizonMs: 365 * 86_400_000 };
    return (await this.#asker.ask('/v1/sets/long/retention/simulate', body)).ms;
  }

  async firstByte(): Promise<number> {
    const point = 1 + this.#random.below(this.#sets.wide.points);
    return await this.#asker.firstByte(
      `/v1/sets/wide/points/${point}/file?path=${encodeURIComponent(CONTENT_PATH)}`,
    );
  }

  /** Words as they are typed, a letter at a time: each is a search. */
  async searches(): Promise<number[]> {
    const found: number[] = [];
    for (let n = 0; n < SEARCHED_WORDS; n += 1) {
      for (const typed of typedBy(this.#word(n))) found.push(await this.#search(typed));
    }
    return found;
  }

  #word(n: number): string {
    const word = words[this.#random.below(words.length)] ?? '';
    const number = String(this.#random.below(this.#sets.wide.files));
    const all = [word, `-${word}-`, number, `${word} ${number}`, `*${word}-${number.slice(0, 2)}*`];
    return [...all, 'nothingofthekind'][n % 6] ?? word;
  }

  async #search(text: string): Promise<number> {
    const query = new URLSearchParams({ q: text, set: 'wide', limit: '50' });
    const { json, ms } = await this.#asker.json(`/v1/search?${query.toString()}`);
    const { results } = searchSchema.parse(json);
    const one = words.includes(text) && results.length === 0;
    if (!one) return ms;
    throw new AfterimageError('mismatch', `nothing is found for ${text}`);
  }
}

function typedBy(text: string): string[] {
  return Array.from(text, (_letter, at) => text.slice(0, at + 1).trim()).filter(
    (typed) => typed !== '',
  );
}
