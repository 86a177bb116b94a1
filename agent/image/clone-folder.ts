/**
 * A folder of the agent's own on the file system of a root, for clones and snapshots that need a
 * name: made when first needed, emptied and removed at the agent's start and end, so that a crash
 * leaves nothing for long. Nobody walks it, and its parent's time of change stays as it was.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import type { Posix } from '../../shared/posix/posix.js';

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const CLONE = 'clone-';
const SNAPSHOT = 'snapshot-';

export class CloneFolder {
  readonly #posix: Posix;
  readonly #parent: string;
  readonly #names: readonly string[];
  #fd: number | undefined;
  #next = 0;

  /** `names`: the folder below `parent`, and the folders on the way to it. */
  constructor(posix: Posix, at: { readonly parent: string; readonly names: readonly string[] }) {
    this.#posix = posix;
    this.#parent = at.parent;
    this.#names = at.names;
  }

  get parent(): string {
    return this.#parent;
  }

  /** Path of a name that was not given before, for a clone. Throws the system's error. */
  newClone(): string {
    return `/proc/self/fd/${this.#open()}/${CLONE}${this.#next++}`;
  }

  /** A name for a snapshot that was not given before. Throws the system's error. */
  newSnapshot(): { readonly folder: number; readonly name: Buffer; readonly path: string } {
    const folder = this.#open();
    const name = `${SNAPSHOT}${this.#next++}`;
    return { folder, name: Buffer.from(name), path: `/proc/self/fd/${folder}/${name}` };
  }

  /** When nothing in it is in use: the file system can be unmounted. It is opened again when needed. */
  release(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Removes the folder and all that is in it, also of a process that crashed. */
  async remove(): Promise<void> {
    const parents = this.#descend((folder, name) => openSync(pathIn(folder, name), FOLDER_FLAGS));
    try {
      const own = parents.at(-1);
      if (own !== undefined && parents.length > this.#names.length) await this.#empty(own);
      for (const [at, name] of [...this.#names.entries()].reverse()) {
        const folder = parents[at];
        if (folder !== undefined && parents.length > at + 1) {
          this.#keepingTime(folder, () => {
            removeEmpty(pathIn(folder, name));
          });
        }
      }
    } finally {
      for (const fd of parents) closeSync(fd);
      this.release();
    }
  }

  async #empty(folder: number): Promise<void> {
    for (const name of readdirSync(`/proc/self/fd/${folder}`)) {
      if (name.startsWith(CLONE)) unlinkSync(pathIn(folder, name));
      if (name.startsWith(SNAPSHOT)) {
        await this.#posix.destroySnapshot({ folder, name: Buffer.from(name) });
      }
    }
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const opened = this.#descend((folder, name) => this.#make(folder, name));
    const own = opened.pop();
    for (const fd of opened) closeSync(fd);
    if (own === undefined || opened.length < this.#names.length) {
      if (own !== undefined) closeSync(own);
      throw new AfterimageError('internal', `${this.#parent} is gone`);
    }
    this.#fd = own;
    return own;
  }

  #make(folder: number, name: string): number {
    this.#keepingTime(folder, () => {
      try {
        mkdirSync(pathIn(folder, name), 0o700);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
    });
    return openSync(pathIn(folder, name), FOLDER_FLAGS);
  }

  /** Descriptors of the parent and of each folder below it, as far as there are any. */
  #descend(open: (folder: number, name: string) => number): number[] {
    const opened: number[] = [];
    try {
      opened.push(openSync(this.#parent, constants.O_RDONLY | constants.O_DIRECTORY));
      for (const name of this.#names) {
        const fd = open(opened.at(-1) ?? -1, name);
        opened.push(fd);
        this.#checkOwn(fd, name);
      }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return opened;
      for (const fd of opened) closeSync(fd);
      throw error;
    }
    return opened;
  }

  /** Somebody else's folder of that name is left alone. */
  #checkOwn(fd: number, name: string): void {
    const { uid, mode } = this.#posix.fstat(fd);
    if (uid === process.geteuid?.() && (mode & 0o077) === 0) return;
    throw new AfterimageError('storage-failed', `${this.#parent}/${name} is not the agent's own`, {
      facts: { path: `${this.#parent}/${name}` },
    });
  }

  /** The folder is somebody's data: that a name came and went is none of it. */
  #keepingTime(folder: number, change: () => void): void {
    const { mtimeNs } = this.#posix.fstat(folder);
    change();
    this.#posix.setMtime(Buffer.from(`/proc/self/fd/${folder}/.`), mtimeNs);
  }
}

function pathIn(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

/** What is in use by another agent, or gone already, stays as it is. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOTEMPTY' && errno !== 'ENOENT' && errno !== 'EEXIST') throw error;
  }
}
