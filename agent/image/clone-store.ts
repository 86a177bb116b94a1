/**
 * Clones of files of one held walk. They have no name, so that a crash leaves nothing, up to a number
 * of descriptors; beyond it they have one in the agent's own folder. Several are made at a time, in
 * threads: each waits for what is dirty of its file.
 */
import { closeSync, constants, openSync, readFileSync, unlinkSync } from 'node:fs';
import { errnoOf, messageOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { ClonedFile, FileClone, FileCloner } from '../plan/held-files.js';
import type { CloneHome, CloneTarget } from './clone-home.js';

/** Clones under way, each with two descriptors and two duplicates. */
const RUNNING_MAX = 32;
/** Files of one walk, for the memory that each takes. */
const CLONES_MAX = 32_768;
/** After so many that failed no more are tried: each keeps its file open until it is read. */
const FAILED_MAX = 16;
const DESCRIPTORS_MAX = 8_192;
const DESCRIPTORS_MIN = 16;

/** A quarter of what the process may have open. */
export function descriptorsForClones(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
  return Math.max(DESCRIPTORS_MIN, Math.min(DESCRIPTORS_MAX, Math.floor(limit / 4)));
}

export interface CloneStoreOptions {
  readonly posix: Posix;
  /** By the root's name, one character a byte; roots that cannot be cloned are left out. */
  readonly homes: ReadonlyMap<string, CloneHome>;
  readonly descriptorsMax: number;
  readonly log: Log;
}

export class CloneStore implements FileCloner {
  readonly #options: CloneStoreOptions;
  readonly #running = new Set<Promise<boolean>>();
  #descriptors = 0;
  #made = 0;
  #failed = 0;

  constructor(options: CloneStoreOptions) {
    this.#options = options;
  }

  async begin({ fd, root, size }: ClonedFile): Promise<FileClone | undefined> {
    const { homes, posix } = this.#options;
    const home = homes.get(root.toString('latin1'));
    if (home === undefined || size === 0 || this.#isFull) return undefined;
    while (this.#running.size >= RUNNING_MAX) await Promise.race(this.#running);
    const target = this.#target(home);
    if (target === undefined) return undefined;
    this.#made += 1;
    const done = posix.clone(fd, target.fd).then(
      () => true,
      (error: unknown) => this.#couldNot(error),
    );
    this.#running.add(done);
    void done.then(() => this.#running.delete(done));
    if (target.path !== undefined) return new NamedClone({ ...target, path: target.path, done });
    this.#descriptors += 1;
    return new UnnamedClone(target.fd, done, () => {
      this.#descriptors -= 1;
    });
  }

  get #isFull(): boolean {
    return this.#made >= CLONES_MAX || this.#failed >= FAILED_MAX;
  }

  #target(home: CloneHome): CloneTarget | undefined {
    try {
      const unnamed = this.#descriptors < this.#options.descriptorsMax ? home.unnamed() : undefined;
      return unnamed ?? home.named();
    } catch (error) {
      this.#couldNot(error);
      return undefined;
    }
  }

  /** The file is read while held: said once a walk, since all may fail for one reason. */
  #couldNot(error: unknown): false {
    this.#failed += 1;
    if (this.#failed === 1) {
      const facts = { code: errnoOf(error), reason: messageOf(error) };
      this.#options.log.warn('a file could not be cloned and is read while held', facts);
    }
    return false;
  }
}

class UnnamedClone implements FileClone {
  readonly done: Promise<boolean>;
  readonly #onClose: () => void;
  #fd: number | undefined;

  constructor(fd: number, done: Promise<boolean>, onClose: () => void) {
    this.#fd = fd;
    this.done = done;
    this.#onClose = onClose;
  }

  open(): number {
    return this.#fd ?? -1;
  }

  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#onClose();
  }
}

class NamedClone implements FileClone {
  readonly done: Promise<boolean>;
  readonly #path: string;
  #fd: number | undefined;
  #there = true;

  constructor(made: CloneTarget & { readonly path: string; readonly done: Promise<boolean> }) {
    this.#path = made.path;
    this.#fd = made.fd;
    // The native part works on a duplicate, so the descriptor need not wait for it.
    this.done = made.done.finally(() => {
      this.#closeFile();
    });
  }

  open(): number {
    this.#fd ??= openSync(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    return this.#fd;
  }

  close(): void {
    this.#closeFile();
    if (!this.#there) return;
    this.#there = false;
    unlinkSync(this.#path);
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
