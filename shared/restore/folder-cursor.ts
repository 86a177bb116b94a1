/**
 * Opens folders below a target by descriptor, one name at a time, following no link (R23). It stays
 * where it is between calls, so that a walk opens each folder once; only the deepest levels are kept
 * open, so that depth costs no descriptors, and no path is ever longer than one name.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { splitPath } from './set-path.js';

const OPEN_FLAGS =
  constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const OPEN_LEVELS_MAX = 64;

interface Level {
  readonly name: Buffer;
  /** Undefined when it was closed to save descriptors. */
  fd: number | undefined;
}

/** The path of a name below an open folder; `.` names the folder itself. */
export function below(fd: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
}

export function openFolder(path: Buffer): number {
  return openSync(path, OPEN_FLAGS);
}

/** Where a root's name is: its parent's descriptor (the cursor never closes it) and its name there. */
export type LocateRoot = (root: Buffer) => { readonly fd: number; readonly name: Buffer };

export class FolderCursor {
  readonly #locateRoot: LocateRoot;
  #levels: Level[] = [];

  constructor(locateRoot: LocateRoot) {
    this.#locateRoot = locateRoot;
  }

  /** Descriptor of the folder at `path` (not ''), valid until the next call. Throws system errors. */
  at(path: Buffer): number {
    const names = splitPath(path);
    let shared = 0;
    for (const name of names) {
      if (this.#levels[shared]?.name.equals(name) !== true) break;
      shared += 1;
    }
    this.#closeFrom(shared);
    for (const name of names.slice(shared)) this.#levels.push({ name, fd: undefined });
    const fd = this.#open(names.length - 1);
    this.#thin();
    return fd;
  }

  close(): void {
    this.#closeFrom(0);
  }

  /** Opens the level, and what leads to it from the deepest level that is still open. */
  #open(depth: number): number {
    let from = depth;
    while (from >= 0 && this.#levels[from]?.fd === undefined) from -= 1;
    let fd = this.#levels[from]?.fd;
    for (const [index, level] of this.#levels.entries()) {
      if (index <= from) continue;
      fd = this.#openLevel(level, index, fd);
    }
    return fd ?? -1;
  }

  #openLevel(level: Level, index: number, parent: number | undefined): number {
    try {
      const root = parent === undefined ? this.#locateRoot(level.name) : undefined;
      level.fd = openFolder(
        root === undefined ? below(parent ?? -1, level.name) : below(root.fd, root.name),
      );
      return level.fd;
    } catch (error) {
      this.#closeFrom(index);
      throw error;
    }
  }

  #closeFrom(depth: number): void {
    for (const level of this.#levels.splice(depth)) {
      if (level.fd !== undefined) closeSync(level.fd);
    }
  }

  #thin(): void {
    const surplus = this.#levels.length - OPEN_LEVELS_MAX;
    for (let index = surplus - 1; index >= 0; index -= 1) {
      const level = this.#levels[index];
      if (level?.fd === undefined) return;
      closeSync(level.fd);
      level.fd = undefined;
    }
  }
}
