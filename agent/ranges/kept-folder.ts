/**
 * The folder in which clones of large files are kept between syncs: below the root they are of, since
 * clones cannot leave their file system, in the agents' hidden folder that no walk enters, for the
 * agent's user alone. It is open only while a sync uses it, so that the file system can be unmounted.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { errnoOf } from '../../shared/errors.js';
import type { Posix } from '../../shared/posix/posix.js';
import { systemError } from '../../shared/posix/system-error.js';

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const createFlags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const OTHERS = 0o077;

/** Which file, as it was when, a clone is of. */
export interface CloneName {
  readonly node: number;
  readonly basis: string;
  readonly ino: bigint;
  readonly btimeNs: bigint;
}

export interface FolderPlace {
  readonly posix: Posix;
  /** Absolute path of the root. */
  readonly root: string;
  /** Name of the agents' hidden folder in it. */
  readonly hidden: string;
  /** Name of the set's own folder in that one. */
  readonly name: string;
}

export class KeptFolder {
  readonly #fd: number;
  /** Oldest first. */
  readonly #names: Map<string, { readonly node: number; readonly basis: string }>;

  private constructor(fd: number) {
    this.#fd = fd;
    this.#names = listClones(`/proc/self/fd/${fd}`);
  }

  /** Undefined when it is not there. @throws system errors; EPERM when it is another's */
  static find(place: FolderPlace): KeptFolder | undefined {
    try {
      return open(place, (fd) => new KeptFolder(fd));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Makes it where it is not there. @throws system errors; EPERM when it is another's */
  static make(place: FolderPlace): KeptFolder {
    const { posix, root, hidden, name } = place;
    const self = Buffer.from(`${root}/.`);
    const { mtimeNs } = posix.lstat(self);
    // The root is somebody's data: that a name came is none of it.
    if (makeFolder(`${root}/${hidden}`)) posix.setMtime(self, mtimeNs);
    makeFolder(`${root}/${hidden}/${name}`);
    return open(place, (fd) => new KeptFolder(fd));
  }

  get count(): number {
    return this.#names.size;
  }

  /** Open for writing, empty, and kept under its name. */
  create(name: CloneName): number {
    const text = encodeName(name);
    const fd = openSync(this.#path(text), createFlags, 0o400);
    this.#names.set(text, { node: name.node, basis: name.basis });
    return fd;
  }

  /** Open for reading; undefined when there is no such clone. */
  open(name: CloneName): number | undefined {
    const text = encodeName(name);
    return this.#names.has(text) ? openSync(this.#path(text), readFlags) : undefined;
  }

  remove(name: CloneName): void {
    this.#remove(encodeName(name));
  }

  /** Removes the clones of which `drops` says so. */
  sweep(drops: (clone: { readonly node: number; readonly basis: string }) => boolean): void {
    for (const [name, clone] of [...this.#names]) if (drops(clone)) this.#remove(name);
  }

  /** Removes the oldest clones until there are at most `countMax`. */
  shrink(countMax: number): void {
    for (const name of [...this.#names.keys()].slice(0, Math.max(0, this.count - countMax))) {
      this.#remove(name);
    }
  }

  /** Bytes that no other file would hold if all were overwritten, at most. */
  heldBytesMax(): number {
    let bytes = 0;
    for (const name of this.#names.keys()) bytes += lstatSync(this.#path(name)).blocks * 512;
    return bytes;
  }

  /** Share of the file system that is free, from 0 to 1. */
  freeShare(): number {
    const { bavail, blocks } = statfsSync(`/proc/self/fd/${this.#fd}`);
    return blocks === 0 ? 1 : bavail / blocks;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #path(name: string): string {
    return `/proc/self/fd/${this.#fd}/${name}`;
  }

  #remove(name: string): void {
    this.#names.delete(name);
    try {
      unlinkSync(this.#path(name));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}

/** False when it is there. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function open<T>(place: FolderPlace, made: (fd: number) => T): T {
  const outer = openSync(`${place.root}/${place.hidden}`, folderFlags);
  try {
    checkOwn(outer, place);
    const fd = openSync(`/proc/self/fd/${outer}/${place.name}`, folderFlags);
    try {
      checkOwn(fd, place);
      return made(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } finally {
    closeSync(outer);
  }
}

/** A folder that others may enter or have made holds nothing that can be relied on. */
function checkOwn(fd: number, { root, hidden }: FolderPlace): void {
  const { mode, uid } = fstatSync(fd);
  const user = process.geteuid?.();
  if ((mode & OTHERS) === 0 && (user === undefined || uid === user)) return;
  throw systemError('EPERM', 'open', Buffer.from(`${root}/${hidden}`));
}

function listClones(path: string): Map<string, { node: number; basis: string }> {
  const found = readdirSync(path).flatMap((text) => {
    const clone = decodeName(text);
    const { mtimeMs } = lstatSync(`${path}/${text}`);
    return [{ text, mtimeMs, clone }];
  });
  found.sort((a, b) => a.mtimeMs - b.mtimeMs);
  return new Map(found.map(({ text, clone }) => [text, clone]));
}

function encodeName({ node, basis, ino, btimeNs }: CloneName): string {
  return [String(node), basis, ino.toString(36), btimeNs.toString(36)].join('.');
}

/** What does not name a clone belongs to no node, and goes. */
function decodeName(text: string): { node: number; basis: string } {
  const [node = '', basis = ''] = text.split('.');
  return /^\d+$/.test(node) ? { node: Number(node), basis } : { node: 0, basis: '' };
}
