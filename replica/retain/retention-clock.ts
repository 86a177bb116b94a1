/** Runs retention by itself while the replica runs. */
import type { Retention } from './retention.js';

const LOOK_EVERY_MS = 60_000;

/** Returns what stops it: resolves when the step under way is done. */
export function runRetention(retention: Retention): () => Promise<void> {
  const closing = new AbortController();
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= retention.runDue(closing.signal).finally(() => {
      running = undefined;
    });
  }, LOOK_EVERY_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    closing.abort();
    await running;
  };
}
