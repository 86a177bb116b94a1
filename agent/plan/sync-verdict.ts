/** What becomes of a sync: listened for from its beginning, since a refusal may come at any time. */
import { AfterimageError } from '../../shared/errors.js';
import type { HelloOutcome, SessionEvent, SetSession } from '../ship/session.js';
import { orStopped } from './stoppable-session.js';

export type SyncVerdict =
  | {
      readonly type: 'committed';
      readonly point: number;
      readonly chain: Buffer;
      readonly timeMs: number;
    }
  | {
      readonly type: 'refused';
      readonly error: AfterimageError;
      readonly wants: readonly { readonly node: number; readonly block: number }[];
    }
  /** The replica has no frames of it any more. */
  | { readonly type: 'lost' }
  | Extract<HelloOutcome, { type: 'diverged' }>;

export class VerdictListener {
  readonly #sync: number;
  #subscription: { unsubscribe(): void } | undefined;
  readonly #verdict: Promise<SyncVerdict>;
  readonly #refusal = new AbortController();
  #settle: (verdict: SyncVerdict) => void = () => undefined;
  #early: SyncVerdict | undefined;
  #ended = false;

  constructor(sync: number) {
    this.#sync = sync;
    this.#verdict = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Until `close`. */
  listen(session: Pick<SetSession, 'onEvent'>): void {
    this.#subscription = session.onEvent((event) => {
      const verdict = verdictOf(event, { sync: this.#sync, ended: this.#ended });
      if (verdict === undefined) return;
      this.#early ??= verdict;
      this.#settle(verdict);
      this.#refusal.abort(new AfterimageError('record-refused', 'the replica dropped the sync'));
    });
  }

  /** Aborted when the replica refuses the sync before its `end`: what follows would be in vain. */
  get refusal(): AbortSignal {
    return this.#refusal.signal;
  }

  /** The verdict, when it is known. */
  get known(): SyncVerdict | undefined {
    return this.#early;
  }

  /** `end` is about to be sent: what HELLO says from here on is about this sync. */
  ends(): void {
    this.#ended = true;
  }

  /** Waits as long as the replica is away, or until `signal` stops it: rejects with its reason. */
  wait(signal: AbortSignal): Promise<SyncVerdict> {
    return orStopped(this.#verdict, signal);
  }

  close(): void {
    this.#subscription?.unsubscribe();
  }
}

function verdictOf(
  event: SessionEvent,
  about: { readonly sync: number; readonly ended: boolean },
): SyncVerdict | undefined {
  switch (event.type) {
    case 'committed':
      return event.sync === about.sync ? event : undefined;
    case 'refused':
      return event.sync === about.sync ? event : undefined;
    case 'hello': {
      if (!about.ended) return undefined;
      const { outcome } = event;
      // Whatever stands on another history cannot be committed, also when it was begun since.
      if (outcome.type === 'diverged') return outcome;
      // Begun while that HELLO travelled, the sync is on its way: taken back, it would be committed.
      if (event.about !== about.sync) return undefined;
      if (outcome.type === 'roll-forward') return { ...outcome, type: 'committed' };
      return outcome.resumed ? undefined : { type: 'lost' };
    }
    default:
      return undefined;
  }
}
