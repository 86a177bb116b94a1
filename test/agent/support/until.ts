/** Waits for conditions, never for a time. */
import { lstatSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 20_000;

/** Polls until `condition` holds; fails with `what` when it never does. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const started = Date.now();
  while (!condition()) {
    if (Date.now() - started > PATIENCE_MS) throw new Error(`waited in vain: ${what}`);
    await sleep(5);
  }
}

/** Until a file's last change is older than the clock of file times can blur. */
export function untilOld(path: string): Promise<void> {
  return until('the file is old enough', () => Date.now() - lstatSync(path).ctimeMs > 60);
}
