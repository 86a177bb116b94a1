/** Asks for a sync, and waits for the point that the request became. */
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import type { PointSummary } from '../history/set-reader.js';
import type { ServedSet } from './served-set.js';

/**
 * The point that holds what was there when asking: the one that answers the request. The next may
 * have begun before; the one after that cannot, and counts when the agent forgot the request. Null
 * once `signal` is aborted or it is dropped.
 */
export function askedPoint(
  served: ServedSet,
  { request, signal }: { readonly request: string; readonly signal: AbortSignal },
): { readonly point: Promise<PointSummary | null>; drop(): void } {
  let mayBeEarly = true;
  let drop = (): void => undefined;
  const point = new Promise<PointSummary | null>((resolve) => {
    const subscription = served.onCommitted((summary) => {
      const answers = summary.outcome.requests?.includes(request) === true;
      if (!answers && mayBeEarly) {
        mayBeEarly = false;
        return;
      }
      subscription.unsubscribe();
      resolve(summary);
    });
    drop = (): void => {
      subscription.unsubscribe();
      resolve(null);
    };
    signal.addEventListener('abort', drop, { once: true });
  });
  return { point, drop };
}

const AWAY_LOOK_MS = 500;

/**
 * Asks for a sync as soon as the agent is there: after a start of the replica none is for a moment.
 * Resolves once it was asked, or `signal` is aborted. `onAway` is called once, when it has to wait.
 */
export async function askWhenThere(
  served: ServedSet,
  {
    request,
    signal,
    onAway,
  }: { readonly request: string; readonly signal: AbortSignal; readonly onAway: () => void },
): Promise<void> {
  for (let isAway = false; !signal.aborted; isAway = true) {
    try {
      await served.askSync(request);
      return;
    } catch (error) {
      if (!(error instanceof AfterimageError) || error.code !== 'agent-away') throw error;
      if (!isAway) onAway();
    }
    await delay(AWAY_LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}
