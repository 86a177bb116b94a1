/** What becomes of a sync after its `end`: listened for before `end` is sent. */
import type { AfterimageError } from '../../shared/errors.js';
import type { SessionEvent, SetSession } from '../ship/session.js';
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
  | { readonly type: 'diverged'; readonly point: number; readonly chain: Buffer };

export class VerdictListener {
  readonly #subscription: { unsubscribe(): void };
  readonly #verdict: Promise<SyncVerdict>;
  #settle: (verdict: SyncVerdict) => void = () => undefined;

  constructor(session: Pick<SetSession, 'onEvent'>, sync: number) {
    this.#verdict = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#subscription = session.onEvent((event) => {
      const verdict = verdictOf(event, sync);
      if (verdict !== undefined) this.#settle(verdict);
    });
  }

  /** Waits as long as the replica is away, or until `signal` stops it: rejects with its reason. */
  wait(signal: AbortSignal): Promise<SyncVerdict> {
    return orStopped(this.#verdict, signal);
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

function verdictOf(event: SessionEvent, sync: number): SyncVerdict | undefined {
  switch (event.type) {
    case 'committed':
      return event.sync === sync ? event : undefined;
    case 'refused':
      return event.sync === sync ? event : undefined;
    case 'hello': {
      const { outcome } = event;
      if (outcome.type === 'roll-forward') return { ...outcome, type: 'committed' };
      if (outcome.type === 'diverged') return outcome;
      return outcome.resumed ? undefined : { type: 'lost' };
    }
    default:
      return undefined;
  }
}
