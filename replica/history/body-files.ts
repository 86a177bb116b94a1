/**
 * Where a body's bytes are, as an open file. While a sync is applied a body can be under its old
 * name, parked, new, under its new name or in the attic (R9): every place is tried. A descriptor
 * once opened stays right whatever is renamed; digests decide whether the bytes are.
 */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { below, FolderTree, type NameOf } from '../apply/folders.js';
import type { IndexDb } from '../index/index-db.js';
import { namesAt, newestPoint } from '../index/nodes.js';
import { Place } from '../index/schema.js';

const OPEN_FILE = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;
const OPEN_MAX = 128;
const FAN_OUT = 1024;

/** Path of a body in the attic; fanned out by body (R28). */
export function atticPath(setFolder: string, body: number): string {
  return path.join(setFolder, 'attic', String(Math.floor(body / FAN_OUT)), String(body));
}

/** Names that the sync being applied gives to nodes, if there is one. */
export interface PendingNames {
  namesOf(node: number): readonly { readonly parent: number; readonly name: Buffer }[];
  readonly nameOf: NameOf;
}

export class BodyFiles {
  readonly #setFolder: string;
  readonly #index: IndexDb;
  readonly #base: number;
  readonly #open = new Map<number, number>();
  readonly #folders: FolderTree;
  #pending: { readonly names: PendingNames; readonly folders: FolderTree } | undefined;

  constructor(setFolder: string, index: IndexDb) {
    this.#setFolder = setFolder;
    this.#index = index;
    this.#base = fs.openSync(
      path.join(setFolder, 'base'),
      fs.constants.O_RDONLY | fs.constants.O_DIRECTORY,
    );
    this.#folders = new FolderTree(
      this.#base,
      (node) => namesAt(index, node, newestPoint(index))[0],
    );
  }

  /** Tells of a sync being applied, or that it is over. */
  setPending(names: PendingNames | undefined): void {
    this.#pending?.folders.close();
    this.#pending =
      names === undefined
        ? undefined
        : { names, folders: new FolderTree(this.#base, names.nameOf) };
  }

  /** A descriptor of the body's file, owned by this object. Throws `damaged` when it is nowhere. */
  open(body: number): number {
    const known = this.#open.get(body);
    if (known !== undefined) return known;
    const row = this.#index.get<{ node: number; place: number }>(
      'SELECT node, place FROM body WHERE id = ?',
      body,
    );
    if (row === undefined) throw missing(body);
    const fd =
      row.place === Place.attic
        ? openPlain(atticPath(this.#setFolder, body))
        : (this.#openNamed(row.node) ?? this.#openBetween(row.node, body));
    if (fd === undefined) throw missing(body);
    this.#open.set(body, fd);
    this.#trim();
    return fd;
  }

  /** Closes a body's descriptor; the next read looks the file up again. */
  forget(body: number): void {
    const fd = this.#open.get(body);
    if (fd === undefined) return;
    this.#open.delete(body);
    fs.closeSync(fd);
  }

  close(): void {
    this.setPending(undefined);
    for (const fd of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
    this.#folders.close();
    fs.closeSync(this.#base);
  }

  #openNamed(node: number): number | undefined {
    for (const entry of namesAt(this.#index, node, newestPoint(this.#index))) {
      const fd = openIn(this.#folders, entry);
      if (fd !== undefined) return fd;
    }
    return undefined;
  }

  #openBetween(node: number, body: number): number | undefined {
    if (this.#pending !== undefined) {
      const parked = openPlain(path.join(this.#setFolder, 'park', `${node}.0`));
      if (parked !== undefined) return parked;
      for (const entry of this.#pending.names.namesOf(node)) {
        const fd = openIn(this.#pending.folders, entry);
        if (fd !== undefined) return fd;
      }
    }
    return openPlain(atticPath(this.#setFolder, body));
  }

  #trim(): void {
    for (const [body, fd] of this.#open) {
      if (this.#open.size <= OPEN_MAX) return;
      this.#open.delete(body);
      fs.closeSync(fd);
    }
  }
}

function openIn(folders: FolderTree, entry: { parent: number; name: Buffer }): number | undefined {
  try {
    return openPlain(below(folders.open(entry.parent), entry.name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    // Something that is no folder stands in the way: the file is not here.
    if (error instanceof AfterimageError && error.code === 'path-escapes') return undefined;
    throw error;
  }
}

/** Opens a plain file, or undefined when there is none of that name. */
function openPlain(file: string | Buffer): number | undefined {
  let fd: number;
  try {
    fd = fs.openSync(file, OPEN_FILE);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENOTDIR' || errno === 'ENXIO')
      return undefined;
    throw error;
  }
  if (fs.fstatSync(fd).isFile()) return fd;
  fs.closeSync(fd);
  return undefined;
}

function missing(body: number): AfterimageError {
  return new AfterimageError('damaged', `the file of body ${body} is missing on the replica`, {
    facts: { body },
  });
}
