/**
 * What a page asks the API for, as state: `loading`, then `ready` or `failed`. Asking anew keeps the
 * last answer on the screen (`stale`), leaving the page or changing `keys` ends the request. Asked for
 * more often than the replica answers, it asks once more when the answer is there: else a busy set,
 * whose events ask anew all the time, would never be told of.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type ApiFailure, asFailure, isAbort } from './failure.js';

export type AnswerState<Value> =
  | { readonly state: 'loading' }
  | { readonly state: 'ready'; readonly value: Value; readonly stale: boolean }
  | { readonly state: 'failed'; readonly failure: ApiFailure };

export type Answer<Value> = AnswerState<Value> & {
  /** Asks again. */
  readonly reload: () => void;
};

export interface UseAnswerOptions {
  /** Asks again after so long, as long as the page is visible. */
  readonly everyMs?: number;
}

/** An answer that takes longer is not waited for when somebody asks anew. */
const PATIENCE_MS = 20_000;

/** The request that is under way. */
interface Flight {
  readonly sinceMs: number;
  isAskedAnew: boolean;
}

/** `keys` are what `load` depends on; another value asks anew and forgets the last answer. */
export function useAnswer<Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  keys: readonly unknown[],
  { everyMs }: UseAnswerOptions = {},
): Answer<Value> {
  const [asked, setAsked] = useState(0);
  const [shown, setShown] = useState<{ key: string; state: AnswerState<Value> }>();
  const key = JSON.stringify(keys);
  const loadNow = useRef(load);
  loadNow.current = load;
  const flight = useRef<Flight | undefined>(undefined);

  const reload = useCallback(() => {
    const now = flight.current;
    if (now !== undefined && performance.now() - now.sinceMs < PATIENCE_MS) {
      now.isAskedAnew = true;
      return;
    }
    setShown((last) =>
      last?.state.state === 'ready'
        ? { ...last, state: { ...last.state, stale: true } }
        : undefined,
    );
    setAsked((count) => count + 1);
  }, []);

  useEffect(() => {
    const leaving = new AbortController();
    const own: Flight = { sinceMs: performance.now(), isAskedAnew: false };
    flight.current = own;
    const settle = (state: AnswerState<Value>): void => {
      flight.current = undefined;
      setShown({ key, state });
      if (own.isAskedAnew) reload();
    };
    loadNow.current(leaving.signal).then(
      (value) => {
        if (leaving.signal.aborted) return;
        settle({ state: 'ready', value, stale: false });
      },
      (error: unknown) => {
        if (leaving.signal.aborted || isAbort(error)) return;
        settle({ state: 'failed', failure: asFailure(error) });
      },
    );
    return () => {
      leaving.abort();
      flight.current = undefined;
    };
  }, [key, asked]);

  useEffect(() => {
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, everyMs);
    return () => {
      clearInterval(timer);
    };
  }, [everyMs, reload]);

  const state: AnswerState<Value> = shown?.key === key ? shown.state : { state: 'loading' };
  return { ...state, reload };
}
