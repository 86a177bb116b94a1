/** What stands on disk where a restore goes, read ahead of the writing, folder by folder. */
import { constants, openSync } from 'node:fs';
import { invariant } from '../errors.js';
import type { FileStatus, Posix } from '../posix/posix.js';
import { below, FolderCursor } from './folder-cursor.js';
import { localEntry, localStatuses, statusIfThere } from './local-folder.js';
import type { OpenFolder } from './open-folder.js';
import type { Places } from './places.js';
import type { LocalEntry, PlanRules, WantedEntry } from './plan.js';
import type { FolderPart } from './point-source.js';

interface Found {
  readonly name: Buffer;
  readonly status: FileStatus;
}

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class LocalState {
  readonly #posix: Posix;
  readonly #places: Places;
  readonly #cursor: FolderCursor;
  /** Stays at a root, so that the other one need not go back there. */
  readonly #rootCursor: FolderCursor;
  /** The rest of the folder that is being read in parts. */
  #scan: { readonly folder: OpenFolder; readonly found: readonly Found[]; at: number } | undefined;
  /** A folder on each file system that was met, for flushing. */
  readonly #fileSystems = new Map<number, Buffer>();

  constructor(posix: Posix, places: Places) {
    this.#posix = posix;
    this.#places = places;
    const locate = (root: Buffer) => {
      const place = places.locate(root);
      invariant(place !== undefined, 'a folder that is there has a place');
      return place;
    };
    this.#cursor = new FolderCursor(locate);
    this.#rootCursor = new FolderCursor(locate);
  }

  close(): void {
    this.#cursor.close();
    this.#rootCursor.close();
  }

  /**
   * Entries on disk that the plan of a part has to see: those it names, and, where a whole folder is
   * listed, those between them. Throws system errors when the folder cannot be read.
   */
  entries(
    folder: OpenFolder,
    part: FolderPart,
    wanted: readonly WantedEntry[],
    rules: PlanRules,
  ): LocalEntry[] {
    if (folder.version === undefined) return this.#roots(wanted, rules);
    if (folder.state === 'new') return [];
    const fd = this.#cursor.at(folder.path);
    const found = part.way
      ? localStatuses(
          this.#posix,
          fd,
          wanted.map(({ name }) => name),
        )
      : this.#nextOf(folder, fd, part.last ? undefined : wanted.at(-1)?.name);
    const byName = new Map(wanted.map((entry) => [entry.name.toString('latin1'), entry]));
    return found.map((entry) => {
      const same = byName.get(entry.name.toString('latin1'));
      if (same === undefined) return entry;
      return localEntry(this.#posix, below(fd, entry.name), entry, { wanted: same, rules });
    });
  }

  /** Whether an entry below a root is mounted there. Throws system errors. */
  isOtherFileSystem(path: Buffer, { status }: LocalEntry): boolean {
    const cut = path.indexOf(0x2f);
    if (cut < 0) return false;
    return this.#posix.fstat(this.#rootCursor.at(path.subarray(0, cut))).dev !== status.dev;
  }

  /** Opens a file for reading, following no link. Throws system errors. */
  openFile(folder: OpenFolder, name: Buffer): number {
    return openSync(this.#path(folder.path, name), READ_FLAGS);
  }

  /** Status at a path of the set, if something is there. */
  status(path: Buffer): FileStatus | undefined {
    const cut = path.lastIndexOf(0x2f);
    return statusIfThere(
      this.#posix,
      this.#path(path.subarray(0, Math.max(0, cut)), path.subarray(cut + 1)),
    );
  }

  /** Makes everything durable, on every file system that was met. */
  async flush(): Promise<void> {
    const done = new Set<number>();
    for (const fd of this.#places.descriptors()) {
      const { dev } = this.#posix.fstat(fd);
      if (!done.has(dev)) await this.#posix.syncfs(fd);
      done.add(dev);
    }
    for (const [dev, path] of this.#fileSystems) {
      if (!done.has(dev)) await this.#posix.syncfs(this.#cursor.at(path));
    }
  }

  #path(folder: Buffer, name: Buffer): Buffer {
    if (folder.length > 0) return below(this.#cursor.at(folder), name);
    const place = this.#places.locate(name);
    invariant(place !== undefined, 'what is there has a place');
    return below(place.fd, place.name);
  }

  #roots(wanted: readonly WantedEntry[], rules: PlanRules): LocalEntry[] {
    return wanted.flatMap((entry) => {
      const place = this.#places.locate(entry.name);
      if (place === undefined) return [];
      const path = below(place.fd, place.name);
      const status = statusIfThere(this.#posix, path);
      if (status === undefined) return [];
      const found = { name: entry.name, status };
      return [localEntry(this.#posix, path, found, { wanted: entry, rules })];
    });
  }

  /** Up to and including `last`; everything that is left when undefined. */
  #nextOf(folder: OpenFolder, fd: number, last: Buffer | undefined): readonly Found[] {
    if (this.#scan?.folder !== folder) {
      this.#scan = { folder, found: localStatuses(this.#posix, fd), at: 0 };
      this.#fileSystems.set(this.#posix.fstat(fd).dev, folder.path);
    }
    const { found, at } = this.#scan;
    let end = found.length;
    if (last !== undefined) {
      end = at;
      while (end < found.length && Buffer.compare(found[end]?.name ?? last, last) <= 0) end += 1;
    }
    this.#scan.at = end;
    return found.slice(at, end);
  }
}
