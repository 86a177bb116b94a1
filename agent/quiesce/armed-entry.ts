/** One release that the watchdog process holds, seen from the agent: its state and its answers. */
import { AfterimageError } from '../../shared/errors.js';
import type { ReleaseAction } from './release-action.js';
import type { FromWatchdog, ToWatchdog } from './watchdog-protocol.js';

export interface Armed {
  /** Aborts when the watchdog begins to release because the deadline has passed. */
  readonly fired: AbortSignal;
  /** Another action for the same release; the deadline stays. Resolves when the watchdog has it. */
  change(action: ReleaseAction): Promise<void>;
  /**
   * Before the agent releases by itself: moves the deadline to `deadlineMs` from now. False when
   * the watchdog was faster; then only `settled` is to be waited for.
   */
  claim(deadlineMs: number): Promise<boolean>;
  /** After the agent has released. Resolves when the watchdog holds nothing of this any more. */
  disarm(): Promise<void>;
  /** What went wrong in the watchdog's own release; resolves only after `fired`. */
  readonly settled: Promise<readonly string[]>;
}

/** How the entry reaches the watchdog. */
export interface ArmedLink {
  send(message: ToWatchdog): void;
  forget(): void;
}

export type Answer = Exclude<FromWatchdog, { say: 'ready' }>;

/** A watchdog that does not answer for so long is stuck, and the agent goes on by itself. */
const ANSWER_MS_MAX = 2_000;

export class ArmedEntry implements Armed {
  readonly fired: AbortSignal;
  readonly settled: Promise<readonly string[]>;
  readonly #id: string;
  readonly #link: ArmedLink;
  readonly #firing = new AbortController();
  readonly #waiters = new Set<(said: Answer) => void>();
  #action: ReleaseAction;
  #serial = 0;
  #leaving = false;
  #deadlineAt: number;
  #settle: (problems: readonly string[]) => void = () => undefined;

  constructor(
    id: string,
    request: { readonly deadlineMs: number; readonly action: ReleaseAction },
    link: ArmedLink,
  ) {
    this.#id = id;
    this.#link = link;
    this.#action = request.action;
    this.#deadlineAt = performance.now() + request.deadlineMs;
    this.fired = this.#firing.signal;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Resolves when the watchdog holds the release. */
  async arm(): Promise<void> {
    if ((await this.#armAndHear()) !== undefined) return;
    await this.disarm();
    throw new AfterimageError(
      'quiesce-failed',
      `the watchdog did not answer within ${ANSWER_MS_MAX} ms`,
    );
  }

  /** Says where things stand, also to a watchdog just started in place of a killed one. */
  say(): void {
    const id = this.#id;
    if (this.#leaving) {
      this.#link.send({ do: 'disarm', id });
      return;
    }
    this.#serial += 1;
    const deadlineMs = Math.max(0, this.#deadlineAt - performance.now());
    this.#link.send({ do: 'arm', id, serial: this.#serial, deadlineMs, action: this.#action });
  }

  async change(action: ReleaseAction): Promise<void> {
    this.#action = action;
    await this.#armAndHear();
  }

  async claim(deadlineMs: number): Promise<boolean> {
    if (this.fired.aborted) return false;
    this.#deadlineAt = performance.now() + deadlineMs;
    return (await this.#armAndHear())?.say !== 'releasing';
  }

  async disarm(): Promise<void> {
    this.#leaving = true;
    const answer = this.#answer((said) => said.say === 'disarmed');
    this.say();
    await answer;
    this.#link.forget();
  }

  hear(said: Answer): void {
    if (said.say === 'releasing') {
      this.#firing.abort(new AfterimageError('quiesce-deadline', 'the deadline has passed'));
    }
    if (said.say === 'released') this.#settle(said.problems);
    for (const waiter of [...this.#waiters]) waiter(said);
  }

  /** When no watchdog can be had any more: the hold ends here and now. */
  async releaseHere(perform: (action: ReleaseAction) => Promise<string[]>): Promise<void> {
    this.#firing.abort(new AfterimageError('quiesce-failed', 'the watchdog is gone'));
    this.#settle(await perform(this.#action));
    this.hear({ say: 'disarmed', id: this.#id });
  }

  #armAndHear(): Promise<Answer | undefined> {
    this.say();
    const serial = this.#serial;
    return this.#answer(
      (said) => said.say === 'releasing' || (said.say === 'armed' && said.serial >= serial),
    );
  }

  /** The first thing said that is `wanted`; undefined when nothing came in time. */
  #answer(wanted: (said: Answer) => boolean): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const done = (said: Answer | undefined): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(said);
      };
      const waiter = (said: Answer): void => {
        if (wanted(said)) done(said);
      };
      const timer = setTimeout(() => {
        done(undefined);
      }, ANSWER_MS_MAX);
      this.#waiters.add(waiter);
    });
  }
}
