/** Closes the parts of a set: one that does not close must not keep the others open. */
import type { Log } from '../../shared/log.js';

export async function closeAll(
  log: Log,
  parts: readonly (() => void | Promise<void>)[],
): Promise<void> {
  for (const close of parts) {
    try {
      await close();
    } catch (error) {
      log.error('a part of the set did not close', error);
    }
  }
}
