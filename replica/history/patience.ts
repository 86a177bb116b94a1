/**
 * Reads again what the disk could not read: a controller that is reset, a path that fails over, a
 * cable. Only an error that stays counts as rot. Bounded, so that a disk that is gone is not waited
 * for block by block.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../shared/errors.js';

const WAITS_MS = [5, 50, 250];
/** Reads that are made again, of one piece of work. */
const READS_MAX = 64;

export class Patience {
  #left = READS_MAX;

  /** What `read` gives; throws what it throws, an error of the disk when that stays. */
  async read<T>(read: () => T | Promise<T>): Promise<T> {
    for (const waitMs of WAITS_MS) {
      try {
        return await read();
      } catch (error) {
        if (errnoOf(error) !== 'EIO' || this.#left === 0) throw error;
        this.#left -= 1;
      }
      await delay(waitMs);
    }
    return read();
  }
}
