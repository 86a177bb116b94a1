/**
 * Makes what apply did durable: a handful of touched files and folders by fsync each, more by one
 * syncfs, which is then cheaper and flushes nothing but what has to be flushed anyway (R25).
 */
import fs from 'node:fs';
import type { Posix } from '../../shared/posix/posix.js';

const ONE_BY_ONE_MAX = 16;

export class Durability {
  readonly #posix: Posix;
  readonly #anchor: number;
  readonly #touched = new Map<string, number>();
  #all = false;

  /** `anchor` is a descriptor of any folder on the file system of the set. */
  constructor(posix: Posix, anchor: number) {
    this.#posix = posix;
    this.#anchor = anchor;
  }

  /** Notes that what `fd` holds was changed; `key` names it, so that it is noted once. */
  touch(key: string, fd: number): void {
    if (this.#all || this.#touched.has(key)) return;
    if (this.#touched.size >= ONE_BY_ONE_MAX) {
      this.everything();
      return;
    }
    this.#touched.set(key, fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY));
  }

  /** From here on one flush of the file system is used. */
  everything(): void {
    this.#all = true;
    this.#release();
  }

  /** Resolves when everything touched is on disk. */
  async flush(): Promise<void> {
    try {
      if (this.#all) await this.#posix.syncfs(this.#anchor);
      else for (const fd of this.#touched.values()) fs.fsyncSync(fd);
    } finally {
      this.#all = false;
      this.#release();
    }
  }

  #release(): void {
    for (const fd of this.#touched.values()) fs.closeSync(fd);
    this.#touched.clear();
  }
}
