/** Waits for the point that a request for a sync became. */
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
