/**
 * What a page asks the API for, as state: `loading`, then `ready` or `failed`. Asking anew keeps the
 * last answer on the screen (`stale`), leaving the page or changing `keys` ends the request.
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

  useEffect(() => {
    const leaving = new AbortController();
    loadNow.current(leaving.signal).then(
      (value) => {
        if (leaving.signal.aborted) return;
        setShown({ key, state: { state: 'ready', value, stale: false } });
      },
      (error: unknown) => {
        if (leaving.signal.aborted || isAbort(error)) return;
        setShown({ key, state: { state: 'failed', failure: asFailure(error) } });
      },
    );
    return () => {
      leaving.abort();
    };
  }, [key, asked]);

  const reload = useCallback(() => {
    setShown((last) =>
      last?.state.state === 'ready'
        ? { ...last, state: { ...last.state, stale: true } }
        : undefined,
    );
    setAsked((count) => count + 1);
  }, []);

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
