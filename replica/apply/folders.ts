/**
 * Folders of the base by descriptor. Every operation on the base goes through
 * `/proc/self/fd/N/name`, where N is a folder opened component by component without following a
 * symbolic link: nothing planted in the base can lead outside it, and paths longer than PATH_MAX
 * work (promise 8, R23).
 */
import fs from 'node:fs';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import { toPathText } from '../../shared/path-text.js';

const OPEN_FILE = fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;
const OPEN_FOLDER = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
/** What opening says of a link, of no folder, of a folder, and of a FIFO that nobody reads. */
const wrongKind = new Set(['ELOOP', 'ENOTDIR', 'EISDIR', 'ENXIO']);
const OPEN_MAX = 256;
/** Deeper trees than this are refused: a loop in the index, or a hostile set. */
export const DEPTH_MAX = 4096;

/** Where a node stands in one state of the tree; undefined when it has no name there. */
export type NameOf = (
  node: number,
) => { readonly parent: number; readonly name: Buffer } | undefined;

/** Path of `name` below the folder that `fd` holds. */
export function below(fd: number, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
}

/** Opens a folder below another without following a link in its place. */
export function openFolderAt(fd: number, name: Uint8Array): number {
  return openAt(fd, name, { flags: OPEN_FOLDER, what: 'folder' });
}

/** Opens a file below a folder to write to it, without following a link in its place. */
export function openFileAt(fd: number, name: Uint8Array): number {
  return openAt(fd, name, { flags: OPEN_FILE, what: 'file' });
}

function openAt(
  fd: number,
  name: Uint8Array,
  as: { readonly flags: number; readonly what: 'folder' | 'file' },
): number {
  try {
    return fs.openSync(below(fd, name), as.flags);
  } catch (error) {
    if (!wrongKind.has(errnoOf(error) ?? '')) throw error;
    throw new AfterimageError(
      'path-escapes',
      `${toPathText(name)} is not a ${as.what} in the base: something else was put in its place`,
      { cause: error, facts: { name: toPathText(name) } },
    );
  }
}

/** Descriptors of the folders of one state of the tree, least recently used closed first. */
export class FolderTree {
  readonly #root: number;
  readonly #nameOf: NameOf;
  readonly #open = new Map<number, number>();

  /** `root` is a descriptor of the base folder, owned by the caller. */
  constructor(root: number, nameOf: NameOf) {
    this.#root = root;
    this.#nameOf = nameOf;
  }

  /** A descriptor of the folder, valid until 256 others were asked for. Throws ENOENT when absent. */
  open(folder: number): number {
    if (folder === SET_NODE) return this.#root;
    const known = this.#open.get(folder);
    if (known !== undefined) {
      this.#open.delete(folder);
      this.#open.set(folder, known);
      return known;
    }
    return this.#openChain(folder);
  }

  #openChain(folder: number): number {
    const missing: { node: number; name: Buffer }[] = [];
    let at = folder;
    while (at !== SET_NODE && !this.#open.has(at)) {
      const entry = this.#nameOf(at);
      if (entry === undefined) throw absent(folder);
      missing.push({ node: at, name: entry.name });
      if (missing.length > DEPTH_MAX) {
        throw new AfterimageError(
          'path-escapes',
          `folder ${folder} lies more than ${DEPTH_MAX} deep`,
        );
      }
      at = entry.parent;
    }
    let fd = this.open(at);
    for (const { node, name } of missing.reverse()) {
      fd = openFolderAt(fd, name);
      this.#open.set(node, fd);
    }
    this.#trim();
    return fd;
  }

  /** Closes everything; call when folders moved. */
  close(): void {
    for (const fd of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
  }

  #trim(): void {
    for (const [node, fd] of this.#open) {
      if (this.#open.size <= OPEN_MAX) return;
      this.#open.delete(node);
      fs.closeSync(fd);
    }
  }
}

function absent(folder: number): Error {
  const error = new Error(`folder ${folder} has no name in this state`) as NodeJS.ErrnoException;
  error.code = 'ENOENT';
  error.errno = -2;
  return error;
}

/** True when the operation succeeded, false when what it works on is not there. */
export function unlessAbsent(operation: () => void): boolean {
  try {
    operation();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Whether something has this name, a link included. Errors other than absence are thrown. */
export function existsAt(path: string | Buffer): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
