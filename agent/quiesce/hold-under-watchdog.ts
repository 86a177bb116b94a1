/**
 * The one order in which every recipe holds: arm the watchdog, hold, hand out, claim, let go,
 * disarm. Exactly one of agent and watchdog lets go.
 */
import { AfterimageError, messageOf } from '../../shared/errors.js';
import type { Armed } from './armed-entry.js';
import type { HeldApplication, QuiesceDeps, QuiesceFacts, ReleaseOutcome } from './recipe.js';
import type { ReleaseAction } from './release-action.js';

/** One hold of one recipe; used once. */
export interface Hold {
  /** What the watchdog does at first, before anything is held. */
  readonly action: ReleaseAction;
  /** Longest time `letGo` may take, in milliseconds; the watchdog steps in after it. */
  readonly letGoMsMax: number;
  /** Aborts when what holds the application dies; recipes that cannot tell have none. */
  readonly lost?: AbortSignal;
  /** Holds. `change` gives the watchdog another action. Stops early when `signal` aborts. */
  acquire(
    signal: AbortSignal,
    change: (action: ReleaseAction) => Promise<void>,
  ): Promise<QuiesceFacts>;
  /** Lets go of whatever `acquire` got hold of, also of half of it. Never rejects. */
  letGo(): Promise<LetGo>;
}

export interface LetGo {
  readonly problems: readonly string[];
  /** False when the application turned out not to be held any more. */
  readonly intact: boolean;
}

export interface HoldRequest {
  readonly name: string;
  readonly hold: Hold;
  readonly deadlineMs: number;
  readonly deps: QuiesceDeps;
  readonly signal: AbortSignal;
}

/** The agent steps in this long after the deadline if the watchdog has not. */
const GRACE_MS = 1_000;

export async function holdUnderWatchdog(request: HoldRequest): Promise<HeldApplication> {
  const { hold, deadlineMs, deps } = request;
  let armed: Armed;
  try {
    armed = await deps.watchdog.arm({ deadlineMs, action: hold.action });
  } catch (error) {
    await hold.letGo();
    throw error;
  }
  return new HoldRun(request, armed).begin();
}

class HoldRun {
  readonly #request: HoldRequest;
  readonly #armed: Armed;
  readonly #beganMs: number;
  /** Aborts when the watchdog is stuck and the deadline is well past. */
  readonly #expired = new AbortController();
  readonly #broken = new AbortController();
  #acquired = false;
  #outcome: Promise<ReleaseOutcome> | undefined;

  constructor(request: HoldRequest, armed: Armed) {
    this.#request = request;
    this.#armed = armed;
    this.#beganMs = request.deps.clock.monotonic();
  }

  async begin(): Promise<HeldApplication> {
    const { hold, deadlineMs, deps, signal } = this.#request;
    const heldSinceMs = deps.clock.now();
    const late = setTimeout(() => {
      this.#expired.abort(new Error('the watchdog is stuck'));
    }, deadlineMs + GRACE_MS);
    const stop = AbortSignal.any([signal, this.#armed.fired, this.#expired.signal]);
    try {
      stop.throwIfAborted();
      const facts = await hold.acquire(stop, (action) => this.#armed.change(action));
      stop.throwIfAborted();
      this.#acquired = true;
      this.#watch();
      const release = (): Promise<ReleaseOutcome> => {
        clearTimeout(late);
        return this.#release();
      };
      return { heldSinceMs, facts, broken: this.#broken.signal, release };
    } catch (error) {
      clearTimeout(late);
      const { problems, releasedBy } = await this.#release();
      throw holdFailed(this.#request, { error, problems, fired: releasedBy === 'watchdog' });
    }
  }

  /** Tells the holder of the application when it is let go under its feet. */
  #watch(): void {
    const { lost } = this.#request.hold;
    for (const source of [this.#armed.fired, this.#expired.signal, lost]) {
      const tell = (): void => {
        if (this.#outcome === undefined) this.#broken.abort(source?.reason);
      };
      source?.addEventListener('abort', tell, { once: true });
      if (source?.aborted === true) tell();
    }
    this.#expired.signal.addEventListener('abort', () => void this.#release(), { once: true });
  }

  /** Lets go once; later calls get the same answer. */
  #release(): Promise<ReleaseOutcome> {
    return (this.#outcome ??= this.#letGo());
  }

  async #letGo(): Promise<ReleaseOutcome> {
    const { name, hold, deps } = this.#request;
    const ours = await this.#armed.claim(hold.letGoMsMax);
    const elsewhere = ours ? [] : await this.#armed.settled;
    // When the watchdog was faster than the hold, `acquire` may have gone on a moment after it.
    const own = ours || !this.#acquired ? await hold.letGo() : { problems: [], intact: false };
    const heldMs = deps.clock.monotonic() - this.#beganMs;
    await this.#armed.disarm();
    const problems = [...elsewhere, ...own.problems];
    if (problems.length > 0) {
      deps.log.warn('releasing went wrong', { recipe: name, problems: problems.join('; ') });
    }
    const alone = ours && !this.#armed.fired.aborted;
    return {
      heldMs,
      intact: alone && own.intact && !this.#broken.signal.aborted,
      releasedBy: alone ? 'agent' : 'watchdog',
      problems,
    };
  }
}

function holdFailed(
  request: HoldRequest,
  how: { readonly error: unknown; readonly problems: readonly string[]; readonly fired: boolean },
): AfterimageError {
  const { name, deadlineMs, signal } = request;
  const facts = {
    recipe: name,
    ...(how.problems.length === 0 ? {} : { problems: how.problems.join('; ') }),
  };
  if (signal.aborted) return cancelled(signal);
  if (how.fired) {
    const message = `${name}: not held within ${deadlineMs} ms`;
    return new AfterimageError('quiesce-deadline', message, { cause: how.error, facts });
  }
  const message = `${name}: ${messageOf(how.error)}`;
  return new AfterimageError('quiesce-failed', message, { cause: how.error, facts });
}

function cancelled(signal: AbortSignal): AfterimageError {
  return new AfterimageError('cancelled', 'the hold was cancelled', { cause: signal.reason });
}
