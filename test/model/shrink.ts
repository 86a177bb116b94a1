/**
 * Cuts a failing script down to a short one that still fails: delta debugging over its steps, then over
 * the troubles of its syncs. A trouble's place is named (`rename park to base#2`), so that it stays
 * what it is when steps before it go.
 */
import type { RunCounts, Struck } from './checked-set.js';
import { type RunResult, runScript } from './run-script.js';
import type { Script, Step, Trouble } from './script.js';

/** Runs of the model spent on cutting down, at most. */
const RUNS_MAX = 600;

export interface Shrunk {
  readonly script: Script;
  readonly wrong: string;
  readonly runs: number;
}

/** As much of a run as cutting down needs. */
export type Run = (
  script: Script,
) => Promise<Pick<RunResult, 'wrong' | 'step'> & { readonly counts: Pick<RunCounts, 'strikes'> }>;

/** `run` is for tests of this. */
export async function shrink(script: Script, run: Run = runScript): Promise<Shrunk> {
  return new Shrinker(run).shrink(script);
}

class Shrinker {
  readonly #run: Run;
  #runs = 0;
  #best: Script = [];
  #wrong = '';

  constructor(run: Run) {
    this.#run = run;
  }

  async shrink(script: Script): Promise<Shrunk> {
    if (!(await this.#fails(script)))
      return { script, wrong: 'it does not go wrong again: time plays a part', runs: 1 };
    let before: Script;
    do {
      before = this.#best;
      await this.#dropTroubles();
      await this.#dropSteps();
      await this.#simplify();
    } while (this.#best.length < before.length && this.#runs < RUNS_MAX);
    return { script: this.#best, wrong: this.#wrong, runs: this.#runs };
  }

  /** Keeps a script that fails as the best so far, its troubles named by where they struck. */
  async #fails(script: Script): Promise<boolean> {
    if (this.#runs >= RUNS_MAX) return false;
    this.#runs += 1;
    const { wrong, step, counts } = await this.#run(script);
    if (wrong === undefined) return false;
    this.#best = named(script.slice(0, step + 1), counts.strikes);
    this.#wrong = wrong;
    return true;
  }

  async #dropSteps(): Promise<void> {
    for (let size = Math.ceil(this.#best.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = this.#best.length - size; at >= 0 && this.#runs < RUNS_MAX; at -= size) {
        const start = Math.max(0, Math.min(at, this.#best.length - size));
        await this.#failsNear([...this.#best.slice(0, start), ...this.#best.slice(start + size)]);
      }
    }
  }

  /** Tries the script, then with its last trouble a little earlier: what went may have been steps before it. */
  async #failsNear(script: Script): Promise<boolean> {
    if (await this.#fails(script)) return true;
    const nth = lastTrouble(script)?.nth ?? 1;
    for (let earlier = nth - 1; earlier >= Math.max(1, nth - 3); earlier -= 1) {
      if (await this.#fails(withLastTroubleAt(script, earlier))) return true;
    }
    return false;
  }

  async #dropTroubles(): Promise<void> {
    for (let at = 0; at < this.#best.length; at += 1) {
      const step = this.#best[at];
      if (step === undefined || !('troubles' in step)) continue;
      for (let trouble = step.troubles.length - 1; trouble >= 0; trouble -= 1) {
        const troubles = step.troubles.filter((_, index) => index !== trouble);
        if (await this.#fails(this.#best.with(at, { ...step, troubles }))) break;
      }
    }
  }

  /** Plainer values: one frame, small files, a cut that keeps nothing or all. */
  async #simplify(): Promise<void> {
    for (let at = 0; at < this.#best.length; at += 1) {
      for (const plainer of plainerSteps(this.#best[at])) {
        if (at < this.#best.length) await this.#fails(this.#best.with(at, plainer));
      }
    }
  }
}

function plainerSteps(step: Step | undefined): Step[] {
  if (step === undefined) return [];
  if (step.do === 'create') {
    return step.bytes > 100
      ? [
          { ...step, bytes: 100 },
          { ...step, bytes: 5000 },
        ]
      : [];
  }
  if (step.do !== 'sync') return [];
  const steps: Step[] = [];
  if (step.frameBytes < 200_000) steps.push({ ...step, frameBytes: 200_000 });
  if (step.troubles.some((trouble) => trouble.how === 'power' && trouble.kept === 'mixed')) {
    for (const kept of ['none', 'all', 'names', 'bytes'] as const) {
      const troubles = step.troubles.map((trouble) =>
        trouble.how === 'power' ? { ...trouble, kept } : trouble,
      );
      steps.push({ ...step, troubles });
    }
  }
  return steps;
}

/** Names the troubles of a script by the steps they struck; those that struck nothing go. */
function named(script: Script, strikes: readonly Struck[]): Script {
  const places = new Map(strikes.map(({ trouble, step }) => [trouble, step]));
  return script.map((step) => {
    if (!('troubles' in step)) return step;
    const troubles = step.troubles.flatMap((trouble) => {
      const [name, nth] = places.get(trouble)?.split('#') ?? [];
      if (name === undefined) return [];
      return [{ ...withoutPlace(trouble), name, nth: Number(nth) }];
    });
    return { ...step, troubles };
  });
}

function withoutPlace(trouble: Trouble): Trouble {
  const copy: { step?: number } & Trouble = { ...trouble };
  delete copy.step;
  return copy;
}

function lastTrouble(script: Script): Trouble | undefined {
  const step = script.findLast((each) => 'troubles' in each && each.troubles.length > 0);
  return step !== undefined && 'troubles' in step ? step.troubles.at(-1) : undefined;
}

function withLastTroubleAt(script: Script, nth: number): Script {
  const at = script.findLastIndex((each) => 'troubles' in each && each.troubles.length > 0);
  const step = script[at];
  if (step === undefined || !('troubles' in step)) return script;
  const troubles = step.troubles.map((trouble, index) =>
    index === step.troubles.length - 1 ? { ...trouble, nth } : trouble,
  );
  return script.with(at, { ...step, troubles });
}
