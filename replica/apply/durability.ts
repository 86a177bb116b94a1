/**
 * Makes what apply did durable: a handful of touched files and folders by fsync each, more by one
 * syncfs, which is then cheaper and flushes nothing but what has to be flushed anyway (R25).
 */
import fs from 'node:fs';
import { errnoOf } from '../../shared/errors.js';
import type { Posix } from '../../shared/posix/posix.js';

const ONE_BY_ONE_MAX = 16;
const OPEN_ANY = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

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
    this.#touch(key, () => fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY));
  }

  /** The same for what has a name; a symbolic link cannot be flushed by itself. */
  touchAt(key: string, path: Buffer): void {
    this.#touch(key, () => {
      try {
        return fs.openSync(path, OPEN_ANY);
      } catch (error) {
        if (errnoOf(error) === 'ELOOP') return undefined;
        throw error;
      }
    });
  }

  #touch(key: string, open: () => number | undefined): void {
    if (this.#all || this.#touched.has(key)) return;
    const fd = this.#touched.size < ONE_BY_ONE_MAX ? open() : undefined;
    if (fd === undefined) this.everything();
    else this.#touched.set(key, fd);
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
