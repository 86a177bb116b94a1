/**
 * Tries a policy over all points without a text for each: the same choice as `planRetention` makes, as
 * one bit a rule and point. Gives way to other work between rules.
 */
import type { Policy } from '../../shared/api/retention.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { intervalRules, type IntervalRule } from './interval-rules.js';

/** Points in columns, in their order. */
export interface DatedColumns {
  readonly points: ArrayLike<number>;
  readonly timesMs: ArrayLike<number>;
  readonly count: number;
}

export interface TrialInput {
  readonly columns: DatedColumns;
  /** Null keeps all. */
  readonly policy: Policy | null;
  readonly held: ReadonlySet<number>;
  /** As if it were then, ms since the epoch. */
  readonly nowMs: number;
}

export interface Trial {
  /** Names of rules; the first is bit 0. */
  readonly rules: readonly string[];
  /** Which rules keep each point; 0 when it goes. */
  readonly keptBy: Uint16Array;
}

/** Points between two looks at the clock. */
const STEP = 4096;

export async function tryPolicy(input: TrialInput): Promise<Trial> {
  const trial = new PolicyTrial(input);
  await trial.protect();
  await trial.apply();
  return trial;
}

class PolicyTrial implements Trial {
  readonly rules: string[] = [];
  readonly keptBy: Uint16Array;
  readonly #input: TrialInput;
  readonly #slice = new TimeSlice();

  constructor(input: TrialInput) {
    this.#input = input;
    this.keptBy = new Uint16Array(input.columns.count);
  }

  /** What keeps a point whatever the policy says. */
  async protect(): Promise<void> {
    const { columns, policy, held, nowMs } = this.#input;
    const { count, points, timesMs } = columns;
    await this.#keep('newest', (at) => at === count - 1);
    await this.#keep('hold', (at) => held.has(points[at] ?? 0));
    if (policy === null) await this.#keep('no-policy', () => true);
    else if (policy.minAgeMs > 0) {
      const { minAgeMs } = policy;
      await this.#keep('minimum-age', (at) => nowMs - (timesMs[at] ?? 0) < minAgeMs);
    }
  }

  async apply(): Promise<void> {
    const { policy, columns } = this.#input;
    if (policy === null) return;
    const { withinMs } = policy;
    if (withinMs !== undefined) {
      const newestMs = columns.timesMs[columns.count - 1] ?? 0;
      await this.#keep('within', (at) => newestMs - (columns.timesMs[at] ?? 0) <= withinMs);
    }
    for (const rule of intervalRules(policy)) await this.#keepFirsts(rule);
  }

  /** The first point of each of the newest intervals, newest by the order of their points. */
  async #keepFirsts({ name, count, keyOf }: IntervalRule): Promise<void> {
    const { columns } = this.#input;
    const keys = new Float64Array(columns.count);
    const firsts = new Map<number, number>();
    for (let at = 0; at < columns.count; at += 1) {
      const key = keyOf(columns.timesMs[at] ?? 0);
      keys[at] = key;
      if (!firsts.has(key)) firsts.set(key, at);
      if (at % STEP === 0) await this.#slice.breathe();
    }
    const newest = new Set<number>();
    for (let at = columns.count - 1; at >= 0 && newest.size < count; at -= 1) {
      newest.add(keys[at] ?? 0);
      if (at % STEP === 0) await this.#slice.breathe();
    }
    const bit = this.#bitOf(name);
    for (const key of newest) {
      const at = firsts.get(key) ?? 0;
      this.keptBy[at] = (this.keptBy[at] ?? 0) | bit;
    }
  }

  async #keep(rule: string, keeps: (at: number) => boolean): Promise<void> {
    const bit = this.#bitOf(rule);
    for (let at = 0; at < this.keptBy.length; at += 1) {
      if (keeps(at)) this.keptBy[at] = (this.keptBy[at] ?? 0) | bit;
      if (at % STEP === 0) await this.#slice.breathe();
    }
  }

  #bitOf(rule: string): number {
    this.rules.push(rule);
    return 1 << (this.rules.length - 1);
  }
}

/** Names of the rules that keep a point. */
export function rulesOf({ rules, keptBy }: Trial, at: number): string[] {
  const bits = keptBy[at] ?? 0;
  return rules.filter((_rule, bit) => (bits & (1 << bit)) !== 0);
}
