/**
 * Puts what belongs into the base and the attic back to its place when something else, or nothing,
 * is there: folders, links, second names, and files as empty ones of the right size, whose blocks
 * are then damaged like any other and repaired like them. What stands in the way is moved aside
 * into `strays`, never deleted. Runs under the set's lock.
 */
import fs from 'node:fs';
import path from 'node:path';
import { invariant } from '../../shared/errors.js';
import { isEntryName, type NodeKind, SET_NODE } from '../../shared/protocol/records.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES, blockCount, blockLength } from '../../shared/limits.js';
import { syncFolder } from '../../shared/posix/sync-folder.js';
import { isBaseLink, makeBaseLink } from '../apply/base-link.js';
import { below, DEPTH_MAX, existsAt, FolderTree } from '../apply/folders.js';
import { atticPath } from '../history/body-files.js';
import { newestDigest, readFully } from '../history/read-block.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, kindOf, mtimeOf, namesAt, newestPoint, nodeAt } from '../index/nodes.js';
import { Place } from '../index/schema.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { BodyRow } from './block-versions.js';

export interface BodyPlaceDeps {
  readonly setFolder: string;
  readonly index: IndexDb;
  readonly posix: Posix;
  readonly core: HashCore;
}

/** Open it for one piece of work under the lock, and close it. */
export class BodyPlaces {
  readonly #deps: BodyPlaceDeps;
  readonly #base: number;
  readonly #folders: FolderTree;
  readonly #point: number;

  constructor(deps: BodyPlaceDeps) {
    this.#deps = deps;
    this.#point = newestPoint(deps.index);
    this.#base = openFolder(path.join(deps.setFolder, 'base'));
    this.#folders = new FolderTree(this.#base, (node) => this.#firstName(node));
  }

  /** Makes the body's file when there is none. */
  ensureFile(body: BodyRow): void {
    if (body.place === Place.attic) {
      const file = atticPath(this.#deps.setFolder, body.id);
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      this.#makeFile(Buffer.from(file), body.size);
      syncFolder(path.dirname(file));
      return;
    }
    const name = this.#firstName(body.node);
    if (name === undefined) return;
    const folder = this.#ensureFolder(name.parent);
    this.#makeFile(below(folder, name.name), body.size);
    this.#setFolderTime(name.parent);
    fs.fsyncSync(folder);
  }

  /** Gives a base file, and the folders above, the times that they have in the newest point. */
  restoreTime(body: BodyRow): void {
    if (body.place !== Place.base) return;
    const name = this.#firstName(body.node);
    if (name !== undefined) this.#setTime(body.node, name);
  }

  /** Whether the base has at this name what the newest point says. */
  isRight(entry: EntryRow): boolean {
    const node = this.#nodeOf(entry.node);
    // What rot made of a name must not lead out of its folder: it is told of, and left alone.
    if (node === undefined || !isEntryName(entry.name)) return true;
    const { kind, target } = node;
    if (kind !== 'file' && kind !== 'folder' && kind !== 'symlink') return true;
    const folder = this.#tryFolder(entry.parent);
    if (folder === undefined) return false;
    const at = below(folder, entry.name);
    const found = fs.lstatSync(at, { throwIfNoEntry: false });
    if (found === undefined) return false;
    if (kind === 'folder') return found.isDirectory();
    if (kind === 'symlink') {
      if (!found.isSymbolicLink()) return false;
      return isBaseLink(fs.readlinkSync(at, { encoding: 'buffer' }), target);
    }
    return found.isFile() && this.#isFirstInode(entry, found.ino);
  }

  /** Makes it right; a file comes back without its content when none of its names has it. */
  ensure(entry: EntryRow): void {
    const node = this.#nodeOf(entry.node);
    if (node === undefined || this.isRight(entry)) return;
    const { kind, target, size } = node;
    const parent = this.#ensureFolder(entry.parent);
    const at = below(parent, entry.name);
    if (kind === 'folder') this.#ensureFolder(entry.node);
    else if (kind === 'symlink') {
      this.#clear(at);
      makeBaseLink(at, target);
    } else if (kind === 'file') this.#ensureName(entry, { at, size });
    this.#setTime(entry.node, entry);
    this.#setFolderTime(entry.parent);
    fs.fsyncSync(parent);
  }

  close(): void {
    this.#folders.close();
    fs.closeSync(this.#base);
  }

  /**
   * A name of a file: of the files that its names lead to, the one with the fewest wrong blocks gets
   * this name and the first one; an empty one is made when there is none.
   */
  #ensureName(entry: EntryRow, file: { readonly at: Buffer; readonly size: number }): void {
    const names = this.#names(entry.node);
    const paths = names.flatMap(({ parent, name }) => {
      const folder = this.#tryFolder(parent);
      return folder === undefined ? [] : [below(folder, name)];
    });
    const files = paths.filter((at) => fs.lstatSync(at, { throwIfNoEntry: false })?.isFile());
    const wrong = new Map(files.map((at) => [at, this.#wrongBlocks(at, entry.node)]));
    const [best] = files.sort((a, b) => (wrong.get(a) ?? 0) - (wrong.get(b) ?? 0));
    if (best === undefined) {
      this.#makeFile(file.at, file.size);
      return;
    }
    const inode = fs.lstatSync(best).ino;
    for (const at of [...paths.slice(0, 1), file.at]) {
      if (fs.lstatSync(at, { throwIfNoEntry: false })?.ino === inode) continue;
      this.#clear(at);
      fs.linkSync(best, at);
    }
  }

  /** Blocks of a file that are not as the node's newest content has them. */
  #wrongBlocks(at: Buffer, node: number): number {
    const { index, core } = this.#deps;
    const row = nodeAt(index, node, this.#point);
    if (row?.body == null) return 0;
    const fd = fs.openSync(at, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    let wrong = 0;
    try {
      for (let block = 0; block < blockCount(row.size); block += 1) {
        const bytes = Buffer.alloc(blockLength(row.size, block));
        readFully(fd, bytes, block * BLOCK_BYTES);
        const digest = newestDigest(
          { index, core },
          { body: row.body, block, length: bytes.length },
        );
        if (!core.digest(bytes).equals(digest)) wrong += 1;
      }
    } finally {
      fs.closeSync(fd);
    }
    return wrong;
  }

  /** All names of a file must lead to the inode that its first name has, which is the one read. */
  #isFirstInode(entry: EntryRow, inode: number): boolean {
    for (const other of this.#names(entry.node)) {
      if (other.parent === entry.parent && other.name.equals(entry.name)) return true;
      const folder = this.#tryFolder(other.parent);
      if (folder === undefined) continue;
      const found = fs.lstatSync(below(folder, other.name), { throwIfNoEntry: false });
      if (found?.isFile() === true) return found.ino === inode;
    }
    return true;
  }

  #makeFile(at: Buffer, size: number): void {
    if (fs.lstatSync(at, { throwIfNoEntry: false })?.isFile() === true) return;
    this.#clear(at);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
    const fd = fs.openSync(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      fs.ftruncateSync(fd, size);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Moves what has this name aside. */
  #clear(at: Buffer): void {
    if (!existsAt(at)) return;
    const strays = path.join(this.#deps.setFolder, 'strays');
    fs.mkdirSync(strays, { recursive: true, mode: 0o700 });
    let number = fs.readdirSync(strays).length + 1;
    while (existsAt(path.join(strays, String(number)))) number += 1;
    fs.renameSync(at, path.join(strays, String(number)));
  }

  /** The folder's descriptor; made, with those above, where it is missing. */
  #ensureFolder(folder: number): number {
    const chain: EntryRow[] = [];
    for (let node = folder; node !== SET_NODE;) {
      const name = this.#firstName(node);
      invariant(name !== undefined, `folder ${node} has a name in the newest point`);
      invariant(chain.length < DEPTH_MAX, `folder ${folder} lies below the set`);
      chain.unshift(name);
      node = name.parent;
    }
    for (const name of chain) {
      const parent = this.#folders.open(name.parent);
      const at = below(parent, name.name);
      if (fs.lstatSync(at, { throwIfNoEntry: false })?.isDirectory() === true) continue;
      this.#clear(at);
      fs.mkdirSync(at, { mode: 0o700 });
      fs.fsyncSync(parent);
    }
    return this.#folders.open(folder);
  }

  /** Undefined when the folder is not in the base, or something else is in its place. */
  #tryFolder(folder: number): number | undefined {
    try {
      return this.#folders.open(folder);
    } catch (error) {
      if (error instanceof Error && 'code' in error) {
        if (error.code === 'ENOENT' || error.code === 'path-escapes') return undefined;
      }
      throw error;
    }
  }

  #firstName(node: number): EntryRow | undefined {
    return this.#names(node)[0];
  }

  #names(node: number): EntryRow[] {
    const names = namesAt(this.#deps.index, node, this.#point);
    return names.filter(({ name }) => isEntryName(name));
  }

  /** Undefined for a node that the newest point does not have, as in an index gone wrong. */
  #nodeOf(node: number): { kind: NodeKind; target: Buffer; size: number } | undefined {
    const row = nodeAt(this.#deps.index, node, this.#point);
    if (row === undefined) return undefined;
    return { kind: kindOf(row.kind), target: row.target ?? Buffer.alloc(0), size: row.size };
  }

  #setTime(node: number, name: EntryRow): void {
    const row = nodeAt(this.#deps.index, node, this.#point);
    const folder = this.#tryFolder(name.parent);
    if (row === undefined || folder === undefined) return;
    const kind = kindOf(row.kind);
    if (kind !== 'file' && kind !== 'folder' && kind !== 'symlink') return;
    const at = below(folder, name.name);
    if (existsAt(at)) this.#deps.posix.setMtime(at, mtimeOf(row));
  }

  #setFolderTime(folder: number): void {
    const name = folder === SET_NODE ? undefined : this.#firstName(folder);
    if (name !== undefined) this.#setTime(folder, name);
  }
}

function openFolder(folder: string): number {
  return fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
}
