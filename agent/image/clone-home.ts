/**
 * Where clones of a root's files are made: on its file system, in the set's own folder where that
 * lies on it too, else in the root. Found by cloning, since nothing else tells whether it works.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { errnoOf } from '../../shared/errors.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { CloneFolder } from './clone-folder.js';

const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const MODE = 0o600;

/** An empty file to clone into. */
export interface CloneTarget {
  readonly fd: number;
  /** Undefined for a file without a name, which ends with its last descriptor. */
  readonly path: string | undefined;
}

export class CloneHome {
  readonly #posix: Posix;
  readonly #unnamed: Buffer;
  readonly folder: CloneFolder;

  /** `unnamed`: the folder for files without a name. */
  constructor(posix: Posix, at: { readonly unnamed: Buffer; readonly folder: CloneFolder }) {
    this.#posix = posix;
    this.#unnamed = at.unnamed;
    this.folder = at.folder;
  }

  /** Throws the system's error. */
  unnamed(): CloneTarget | undefined {
    const fd = this.#posix.openTemporary(this.#unnamed, MODE);
    return fd === undefined ? undefined : { fd, path: undefined };
  }

  /** Throws the system's error. */
  named(): CloneTarget {
    const path = this.folder.newClone();
    return { fd: openSync(path, CREATE, MODE), path };
  }

  /** True when files of the folder open as `root` can be cloned here. */
  serves(root: number): boolean {
    const opened: number[] = [];
    try {
      const from = this.#posix.openTemporary(Buffer.from(`/proc/self/fd/${root}/.`), MODE);
      if (from === undefined) return false;
      opened.push(from);
      const to = this.unnamed();
      if (to === undefined) return false;
      opened.push(to.fd);
      writeSync(from, 'probe');
      this.#posix.cloneSync(from, to.fd);
      return true;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }
}
