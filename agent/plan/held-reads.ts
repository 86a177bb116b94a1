/** Files that were read or cloned while the application was held: they must not have moved (R16). */
import { errnoOf } from '../../shared/errors.js';
import type { FileStatus, Posix } from '../../shared/posix/posix.js';
import type { OpenRoot } from './open-roots.js';

export class HeldReads {
  readonly #posix: Posix;
  readonly #reads: { readonly path: Buffer; readonly status: FileStatus }[] = [];

  constructor(posix: Posix) {
    this.#posix = posix;
  }

  /** `path` as `<root>/<path>`, `status` as it was before the file was read or cloned. */
  add(path: Buffer, status: FileStatus): void {
    this.#reads.push({ path, status });
  }

  /** Paths of those that are not as they were. */
  *moved(roots: ReadonlyMap<string, OpenRoot>): Generator<Buffer> {
    for (const { path, status } of this.#reads) {
      const slash = path.indexOf(0x2f);
      const root = roots.get(path.toString('latin1', 0, slash));
      const below = path.subarray(slash);
      if (root === undefined || !this.#isStill(root, below, status)) yield path;
    }
  }

  #isStill(root: OpenRoot, below: Buffer, status: FileStatus): boolean {
    const full = Buffer.concat([Buffer.from(`/proc/self/fd/${root.fd}`), below]);
    try {
      const now = this.#posix.lstat(full);
      return now.ctimeNs === status.ctimeNs && now.size === status.size && now.ino === status.ino;
    } catch (error) {
      // A path too long for one call cannot be checked; the walk's own look stands.
      return errnoOf(error) === 'ENAMETOOLONG';
    }
  }
}
