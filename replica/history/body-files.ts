/**
 * Where a body's bytes are, as an open file. While a sync is applied a body can be under its old
 * name, parked, in a folder that is parked, new, under its new name or in the attic (R9): every place
 * is tried. A descriptor once opened stays right whatever is renamed; digests decide whether the bytes are.
 */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { isEntryName, SET_NODE } from '../../shared/protocol/records.js';
import { below, existsAt, FolderTree, type NameOf } from '../apply/folders.js';
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

interface Pending {
  readonly names: PendingNames;
  /** Folders under their new names. */
  readonly folders: FolderTree;
  readonly park: number;
  /** Folders that are in the park, or in one that is. */
  readonly parked: FolderTree;
}

export class BodyFiles {
  readonly #setFolder: string;
  readonly #index: IndexDb;
  readonly #base: number;
  readonly #open = new Map<number, number>();
  readonly #folders: FolderTree;
  /** How often a body's file was found to be another, while the present sync is applied. */
  readonly #turns = new Map<number, number>();
  #pending: Pending | undefined;

  constructor(setFolder: string, index: IndexDb) {
    this.#setFolder = setFolder;
    this.#index = index;
    this.#base = fs.openSync(
      path.join(setFolder, 'base'),
      fs.constants.O_RDONLY | fs.constants.O_DIRECTORY,
    );
    this.#folders = new FolderTree(this.#base, this.#nameOf);
  }

  /** Tells of a sync being applied, or that it is over. */
  setPending(names: PendingNames | undefined): void {
    this.#forgetFolders();
    this.#turns.clear();
    if (this.#pending !== undefined) fs.closeSync(this.#pending.park);
    this.#pending = names === undefined ? undefined : this.#toPending(names);
  }

  #toPending(names: PendingNames): Pending {
    const folder = path.join(this.#setFolder, 'park');
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const park = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    const inPark: NameOf = (node) =>
      existsAt(path.join(folder, `${node}.0`))
        ? { parent: SET_NODE, name: Buffer.from(`${node}.0`) }
        : this.#nameOf(node);
    return {
      names,
      folders: new FolderTree(this.#base, names.nameOf),
      park,
      parked: new FolderTree(park, inPark),
    };
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
        : this.#openSomewhere(row.node, body);
    if (fd === undefined) throw missing(body);
    this.#open.set(body, fd);
    this.#trim();
    return fd;
  }

  /**
   * What stands in the base under a name, opened for the caller to close; undefined when no plain file
   * does. Whether it is the body that was meant, its digests say.
   */
  openNow(entry: { readonly parent: number; readonly name: Buffer }): number | undefined {
    return openIn(this.#folders, entry);
  }

  /**
   * Closes a body's descriptor: what it gave was not the body. The next read looks the file up again,
   * while a sync is applied at the next of the places where it can be.
   */
  forget(body: number): void {
    this.#forgetFolders();
    if (this.#pending !== undefined) this.#turns.set(body, (this.#turns.get(body) ?? 0) + 1);
    const fd = this.#open.get(body);
    if (fd === undefined) return;
    this.#open.delete(body);
    fs.closeSync(fd);
  }

  /** Closes every descriptor: files or folders of the base were put right. */
  forgetAll(): void {
    for (const fd of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
    this.#folders.close();
  }

  /** While names move a path can lead to another folder, which must not be taken for this one later. */
  #forgetFolders(): void {
    this.#folders.close();
    this.#pending?.folders.close();
    this.#pending?.parked.close();
  }

  close(): void {
    this.setPending(undefined);
    this.forgetAll();
    fs.closeSync(this.#base);
  }

  readonly #nameOf: NameOf = (node) => namesAt(this.#index, node, newestPoint(this.#index))[0];

  #openNamed(node: number, folders = this.#folders): number | undefined {
    for (const entry of namesAt(this.#index, node, newestPoint(this.#index))) {
      const fd = openIn(folders, entry);
      if (fd !== undefined) return fd;
    }
    return undefined;
  }

  /** The first place, from the body's turn on, where a file is. */
  #openSomewhere(node: number, body: number): number | undefined {
    const pending = this.#pending;
    const places: (() => number | undefined)[] = [
      () => this.#openNamed(node),
      () => openPlain(atticPath(this.#setFolder, body)),
    ];
    if (pending !== undefined) {
      places.push(
        () => openPlain(path.join(this.#setFolder, 'park', `${node}.0`)),
        () => this.#openNamed(node, pending.parked),
        ...pending.names.namesOf(node).map((entry) => () => openIn(pending.folders, entry)),
      );
    }
    const turn = this.#turns.get(body) ?? 0;
    for (let at = 0; at < places.length; at += 1) {
      const fd = places[(turn + at) % places.length]?.();
      if (fd !== undefined) return fd;
    }
    return undefined;
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
  // What rot made of a name must not lead out of its folder: repairs write through what is opened.
  if (!isEntryName(entry.name)) return undefined;
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
