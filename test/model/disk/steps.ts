/**
 * Counts what a process does to a disk, step by step, and strikes at the step that was asked for: the
 * process dies there (every later step of it fails too), or storage is full once.
 */

/** Where to strike: the n-th step, or the n-th one of a name. Both count from 1. */
export interface StrikePoint {
  readonly step?: number;
  readonly name?: string;
  readonly nth?: number;
}

/** `kill`: the process ends before the step. `full`: the step fails once for want of room. */
export interface Strike extends StrikePoint {
  readonly how: 'kill' | 'full';
}

/** What a dead process would not have seen. Never an answer of a disk. */
export class Killed extends Error {
  constructor(step: string) {
    super(`the process was killed before: ${step}`);
    this.name = 'Killed';
  }
}

export class Steps {
  /** Names of the steps done since the last `arm`. */
  readonly trace: string[] = [];
  readonly #counts = new Map<string, number>();
  #strike: Strike | undefined;
  #killed: string | undefined;
  #failed: string | undefined;
  #die: () => void = () => undefined;
  #death: Promise<'killed'>;

  constructor() {
    this.#death = this.#nextDeath();
  }

  /** Counts from here on, and strikes once at the point, if one is given. */
  arm(strike: Strike | undefined): void {
    this.trace.length = 0;
    this.#counts.clear();
    this.#strike = strike;
    this.#failed = undefined;
  }

  /** The step before which the process was killed, as `name#n`. */
  get killed(): string | undefined {
    return this.#killed;
  }

  /** The step that failed for want of room since the last `arm`. */
  get failed(): string | undefined {
    return this.#failed;
  }

  /** Resolves when the process is killed. */
  untilKilled(): Promise<'killed'> {
    return this.#death;
  }

  /** Another process starts. */
  revive(): void {
    this.#killed = undefined;
    this.#death = this.#nextDeath();
  }

  #nextDeath(): Promise<'killed'> {
    return new Promise((resolve) => {
      this.#die = () => {
        resolve('killed');
      };
    });
  }

  /**
   * Call before each step. Throws `Killed` in a dead process.
   * @param fail makes the error of a full disk; a step that cannot fail so has none
   */
  before(name: string, fail?: () => Error): void {
    if (this.#killed !== undefined) throw new Killed(name);
    const nth = (this.#counts.get(name) ?? 0) + 1;
    const strike = this.#strike;
    if (strike !== undefined && isAt(strike, { name, nth, step: this.trace.length + 1 })) {
      if (strike.how === 'kill') {
        this.#strike = undefined;
        this.#killed = `${name}#${nth}`;
        this.#die();
        throw new Killed(name);
      }
      if (fail !== undefined) {
        this.#strike = undefined;
        this.#failed = `${name}#${nth}`;
        throw fail();
      }
    }
    this.#counts.set(name, nth);
    this.trace.push(`${name}#${nth}`);
  }
}

function isAt(point: StrikePoint, at: { name: string; nth: number; step: number }): boolean {
  if (point.name !== undefined) return point.name === at.name && (point.nth ?? 1) === at.nth;
  return (point.step ?? 1) <= at.step;
}
