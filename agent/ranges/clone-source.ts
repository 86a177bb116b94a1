/**
 * Changed ranges on file systems whose files can share blocks (XFS, btrfs): the clone that the last
 * look read from is kept, and where the next clone's blocks lie elsewhere, the file was written in
 * between. What is read is the new clone, so that what is hashed neither tears nor goes stale.
 *
 * Blocks of a kept clone are shared with the file, so no file system may write them in place or give
 * them away: equal places mean equal bytes. Where the place says nothing (compressed, inline, not yet
 * placed) it counts as changed. A kept clone is trusted when the state's digest rows carry its very
 * basis, and its file is still the same inode; it is removed when they do not, when room on the disk
 * runs low, and when its file lies in too many pieces, which clones of it would only add to.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasync, statfsSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { asAfterimageError, errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { Extents } from '../../shared/posix/extents.js';
import type { DataRange, FileStatus, Posix } from '../../shared/posix/posix.js';
import type { RootPath } from '../plan/open-roots.js';
import { KeptFolder, type CloneName } from './kept-folder.js';
import type { BasisOf, RangeFile, RangeLook, RangeSource, RangeState } from './range-source.js';

export interface CloneLimits {
  /** Smaller files are hashed whole. */
  readonly fileBytesMin: number;
  /** Clones kept a root; the oldest go first. */
  readonly filesMax: number;
  /** Extents of a file above which none of it is kept. */
  readonly extentsMax: number;
  /** Share of a file system's room, from 0 to 1, below which none is kept on it. */
  readonly freeShareMin: number;
}

export const usualCloneLimits: CloneLimits = {
  fileBytesMin: 16 * 1024 * 1024,
  filesMax: 256,
  extentsMax: 50_000,
  freeShareMin: 0.05,
};

export interface CloneSourceOptions {
  readonly roots: readonly RootPath[];
  /** Name of the agents' hidden folder below a root, which no walk enters. */
  readonly hidden: string;
  /** Name of this set's folder in it, the same after a restart. */
  readonly folder: string;
  readonly posix: Posix;
  /** Undefined without the addon: nothing is kept then. */
  readonly extents: Extents | undefined;
  readonly limits: CloneLimits;
  readonly log: Log;
}

/** statfs(2) */
const XFS_TYPE = 0x58465342;
const BTRFS_TYPE = 0x9123683e;
const LOOK_FOR_ROOM_MS = 5_000;
/** The file system or this kind of file cannot be cloned. */
const unable: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOTTY', 'EXDEV', 'ENOSYS']);
const full: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
const flush = promisify(fdatasync);

export class CloneSource implements RangeSource {
  readonly name = 'clones';
  readonly #options: CloneSourceOptions;
  /** By device, while a sync uses them. */
  readonly #open = new Map<number, KeptFolder>();
  readonly #unable = new Set<number>();
  readonly #said = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #state: RangeState = { files: 0, heldBytesMax: 0 };

  constructor(options: CloneSourceOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      if (this.#state.files > 0) this.#lookForRoom();
    }, LOOK_FOR_ROOM_MS);
    this.#timer.unref();
  }

  async begin(file: RangeFile): Promise<RangeLook | undefined> {
    const { extents, limits } = this.#options;
    const { dev, size } = file.status;
    if (extents === undefined || size < limits.fileBytesMin || this.#unable.has(dev)) return;
    try {
      const folder = this.#folderOn(dev);
      return folder === undefined ? undefined : await this.#look(file, folder, extents);
    } catch (error) {
      this.#couldNot(error, dev);
      return undefined;
    }
  }

  settle(basisOf: BasisOf): void {
    this.#closeAll();
    let files = 0;
    let heldBytesMax = 0;
    this.#eachFolder((folder) => {
      folder.sweep(({ node, basis }) => basisOf(node) !== basis);
      folder.shrink(this.#options.limits.filesMax);
      this.#makeRoom(folder);
      files += folder.count;
      heldBytesMax += folder.heldBytesMax();
    });
    this.#state = { files, heldBytesMax };
  }

  state(): RangeState {
    return this.#state;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closeAll();
  }

  async #look(
    file: RangeFile,
    folder: KeptFolder,
    extents: Extents,
  ): Promise<RangeLook | undefined> {
    const { posix, limits } = this.#options;
    const { fd, node, holds } = file;
    // What is dirty has no place on disk yet.
    if (holds === 'live') await flush(fd);
    if (this.#makeRoom(folder) === 'low') return undefined;
    if (extents.count(fd) > limits.extentsMax) {
      folder.sweep((clone) => clone.node === node);
      this.#sayOnce('a file lies in too many pieces to keep a clone of it; it is hashed whole');
      return undefined;
    }
    folder.shrink(limits.filesMax - 1);
    const status = holds === 'live' ? posix.fstat(fd) : file.status;
    const name: CloneName = { ...status, node, basis: randomBytes(8).toString('hex') };
    const clone = folder.create(name);
    try {
      await posix.clone(fd, clone);
      const { size } = posix.fstat(clone);
      const still = holds === 'clone' || isStill(status, posix.fstat(fd));
      const since = file.basis === undefined ? undefined : { ...name, basis: file.basis };
      return {
        fd: clone,
        holds: 'clone',
        status: { ...status, size },
        steady: still && size === status.size,
        ranges: since && (await this.#differences(file, { folder, since, clone, size, extents })),
        basis: name.basis,
        end: (result) => {
          closeSync(clone);
          if (result === 'failed') {
            this.#try(() => {
              folder.remove(name);
            });
          }
        },
      };
    } catch (error) {
      closeSync(clone);
      folder.remove(name);
      throw error;
    }
  }

  /** Undefined: what was kept does not fit the state's rows, or cannot be compared. */
  async #differences(
    file: RangeFile,
    at: {
      readonly folder: KeptFolder;
      readonly since: CloneName;
      readonly clone: number;
      readonly size: number;
      readonly extents: Extents;
    },
  ): Promise<readonly DataRange[] | undefined> {
    const before = at.folder.open(at.since);
    if (before === undefined) return undefined;
    try {
      const known = this.#options.posix.fstat(before).size;
      if (known !== file.knownSize) return undefined;
      const pair = { before, after: at.clone, size: Math.min(known, at.size) };
      return await at.extents.differences(pair, this.#options.limits.extentsMax);
    } finally {
      closeSync(before);
    }
  }

  /** The folder for files of a device; undefined where clones are not to be had. */
  #folderOn(dev: number): KeptFolder | undefined {
    const open = this.#open.get(dev);
    if (open !== undefined) return open;
    const { posix, roots, hidden, folder: name } = this.#options;
    const root = roots.find(({ path }) => statSync(path).dev === dev);
    const type = root && statfsSync(root.path).type;
    if (root === undefined || (type !== XFS_TYPE && type !== BTRFS_TYPE)) {
      this.#unable.add(dev);
      return undefined;
    }
    const folder = KeptFolder.make({ posix, root: root.path, hidden, name });
    this.#open.set(dev, folder);
    return folder;
  }

  /** A sync may take long, or wait for the replica: folders in use stay open. */
  #lookForRoom(): void {
    if (this.#open.size === 0) this.#eachFolder((folder) => void this.#makeRoom(folder));
    for (const folder of this.#open.values()) this.#try(() => void this.#makeRoom(folder));
  }

  /** Visits every root's folder that is there. */
  #eachFolder(visit: (folder: KeptFolder) => void): void {
    const { posix, roots, hidden, folder: name } = this.#options;
    for (const { path } of roots) {
      let folder: KeptFolder | undefined;
      try {
        folder = KeptFolder.find({ posix, root: path, hidden, name });
        if (folder !== undefined) visit(folder);
      } catch (error) {
        this.#couldNot(error, undefined);
      } finally {
        folder?.close();
      }
    }
  }

  #closeAll(): void {
    for (const folder of this.#open.values()) folder.close();
    this.#open.clear();
  }

  /** `low`: there was too little room, and nothing is kept any more. */
  #makeRoom(folder: KeptFolder): 'low' | 'enough' {
    if (folder.freeShare() >= this.#options.limits.freeShareMin) return 'enough';
    if (folder.count > 0)
      this.#options.log.warn('the disk is nearly full; kept clones are removed');
    folder.sweep(() => true);
    return 'low';
  }

  /** Without a source the file is hashed whole: nothing is lost but time. */
  #couldNot(error: unknown, dev: number | undefined): void {
    const errno = errnoOf(error);
    if (errno !== undefined && full.has(errno)) {
      for (const folder of this.#open.values()) {
        this.#try(() => {
          folder.sweep(() => true);
        });
      }
    }
    if (errno !== undefined && unable.has(errno) && dev !== undefined) this.#unable.add(dev);
    const { message } = asAfterimageError(error);
    this.#sayOnce(`no clone of a file could be kept; it is hashed whole: ${message}`);
  }

  /** What cannot be removed now is found again when its folder is opened the next time. */
  #try(remove: () => void): void {
    try {
      remove();
    } catch (error) {
      this.#sayOnce(`a kept clone could not be removed: ${asAfterimageError(error).message}`);
    }
  }

  #sayOnce(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#options.log.info(message);
  }
}

function isStill(a: FileStatus, b: FileStatus): boolean {
  return a.size === b.size && a.ctimeNs === b.ctimeNs && a.mtimeNs === b.mtimeNs;
}
