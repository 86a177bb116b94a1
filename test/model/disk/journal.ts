/**
 * What a power cut can take: everything done since it was last flushed. Operations on names, sizes and
 * times are kept in order, and a cut keeps a prefix of them, as file systems with a log do. Bytes of
 * files are kept by pages of 4 KiB, and a cut keeps any of them. A flush of one file or folder makes
 * the operations on it durable, and with them all earlier ones; operations on names are those of the
 * folders alone, so that a file that was flushed can still lose its name.
 */
import type { Seeded } from '../../support/seeded.js';
import { inodeOf, isThere, realFs, realPlace, realPosix, removeTree, statOf } from './real-fs.js';

const PAGE = 4096;

interface Operation {
  readonly sequence: number;
  readonly inodes: readonly bigint[];
  readonly undo: () => void;
}

interface SizeChange {
  readonly sequence: number;
  readonly to: number;
}

/** A file with bytes that are not durable yet. */
interface DirtyFile {
  readonly fd: number;
  durableSize: number;
  /** Page → its durable bytes; empty past the durable end. */
  readonly pages: Map<number, Buffer>;
  sizes: readonly SizeChange[];
}

/** What a cut keeps of what was not flushed. `names` stands for all operations, sizes and times too. */
export const keeps = ['none', 'all', 'names', 'bytes', 'mixed'] as const;
export type Kept = (typeof keeps)[number];

export class Journal {
  readonly #graves: string;
  readonly #operations: Operation[] = [];
  readonly #dirty = new Map<bigint, DirtyFile>();
  #sequence = 0;
  #buried = 0;

  /** `graves` is a folder on the same file system, outside of what is watched. */
  constructor(graves: string) {
    this.#graves = graves;
  }

  // ——— names ———

  created(path: string | Buffer, times: FolderTimes): void {
    const place = realPlace(path);
    this.#note([statOf(place.folder).ino, statOf(place.path).ino], times, () => {
      removeTree(place.path);
    });
  }

  rename(from: string | Buffer, to: string | Buffer): void {
    const source = realPlace(from);
    const target = realPlace(to);
    const there = isThere(target.path) ? statOf(target.path) : undefined;
    if (there?.ino === statOf(source.path).ino) {
      realFs.renameSync(source.path, target.path);
      return;
    }
    const times = folderTimes(source.folder, target.folder);
    const buried = there?.folder === false ? this.#bury(target.path) : undefined;
    realFs.renameSync(source.path, target.path);
    this.#note([statOf(source.folder).ino, statOf(target.folder).ino], times, () => {
      realFs.renameSync(target.path, source.path);
      if (buried !== undefined) realFs.renameSync(buried, target.path);
    });
  }

  unlink(path: string | Buffer): void {
    const place = realPlace(path);
    if (statOf(place.path).folder) {
      realFs.unlinkSync(place.path);
      return;
    }
    const times = folderTimes(place.folder);
    const buried = this.#bury(place.path);
    this.#note([statOf(place.folder).ino], times, () => {
      realFs.renameSync(buried, place.path);
    });
  }

  rmdir(path: string | Buffer): void {
    const place = realPlace(path);
    const { mtimeNs } = statOf(place.path);
    const times = folderTimes(place.folder);
    realFs.rmdirSync(place.path);
    this.#note([statOf(place.folder).ino], times, () => {
      realFs.mkdirSync(place.path, { mode: 0o700 });
      realPosix.setMtime(place.path, mtimeNs);
    });
  }

  setMtime(path: Buffer, mtimeNs: bigint): void {
    const place = realPlace(path);
    const before = statOf(place.path);
    realPosix.setMtime(place.path, mtimeNs);
    this.#note([before.ino], [], () => {
      realPosix.setMtime(place.path, before.mtimeNs);
    });
  }

  // ——— bytes ———

  write(fd: number, bytes: Uint8Array, position: number): number {
    const inode = inodeOf(fd);
    const file = this.#dirtyFile(fd, inode);
    const size = realFs.fstatSync(fd).size;
    this.#savePages(file, Math.min(size, position), position + bytes.length);
    const written = realFs.writeSync(fd, bytes, 0, bytes.length, position);
    if (position + written > size) this.#resized(file, inode, position + written);
    return written;
  }

  truncate(fd: number, size: number): void {
    const inode = inodeOf(fd);
    const file = this.#dirtyFile(fd, inode);
    const before = realFs.fstatSync(fd).size;
    if (before === size) return;
    this.#savePages(file, Math.min(size, before), Math.max(size, before));
    realFs.ftruncateSync(fd, size);
    this.#resized(file, inode, size);
  }

  #resized(file: DirtyFile, inode: bigint, to: number): void {
    const sequence = this.#note([inode], [], () => undefined);
    file.sizes = [...file.sizes, { sequence, to }];
  }

  #dirtyFile(fd: number, inode: bigint): DirtyFile {
    const known = this.#dirty.get(inode);
    if (known !== undefined) return known;
    const file: DirtyFile = {
      fd: realFs.openSync(`/proc/self/fd/${fd}`, realFs.constants.O_RDWR),
      durableSize: realFs.fstatSync(fd).size,
      pages: new Map(),
      sizes: [],
    };
    this.#dirty.set(inode, file);
    return file;
  }

  /** Keeps the durable bytes of pages that are about to change. */
  #savePages(file: DirtyFile, from: number, to: number): void {
    for (let page = Math.floor(from / PAGE); page * PAGE < to; page += 1) {
      if (file.pages.has(page)) continue;
      const length = Math.max(0, Math.min(PAGE, file.durableSize - page * PAGE));
      const bytes = Buffer.alloc(length);
      if (length > 0) realFs.readSync(file.fd, bytes, 0, length, page * PAGE);
      file.pages.set(page, bytes);
    }
  }

  // ——— flushing and cutting ———

  /** Makes a file's bytes and the operations on it durable, and all operations before those. */
  flushInode(inode: bigint): void {
    const last = this.#operations.findLast(({ inodes }) => inodes.includes(inode));
    if (last !== undefined) this.#settle(last.sequence);
    const file = this.#dirty.get(inode);
    if (file === undefined) return;
    realFs.closeSync(file.fd);
    this.#dirty.delete(inode);
  }

  /** Makes the operations durable, not the bytes of files. */
  settleNames(): void {
    this.#settle(this.#sequence);
  }

  flushAll(): void {
    this.#operations.length = 0;
    for (const { fd } of this.#dirty.values()) realFs.closeSync(fd);
    this.#dirty.clear();
    removeTree(this.#graves);
    realFs.mkdirSync(this.#graves);
  }

  #settle(sequence: number): void {
    const from = this.#operations.findIndex((operation) => operation.sequence > sequence);
    this.#operations.splice(0, from < 0 ? this.#operations.length : from);
    for (const file of this.#dirty.values()) settleSizes(file, sequence);
  }

  /** Takes back what the choice does not keep; what is left is durable. */
  cut(random: Seeded, kept: Kept): void {
    const total = this.#operations.length;
    const names =
      kept === 'all' || kept === 'names' ? total : kept === 'mixed' ? random.below(total + 1) : 0;
    const upTo = this.#operations[names - 1]?.sequence ?? 0;
    for (const operation of this.#operations.splice(names).reverse()) operation.undo();
    for (const file of this.#dirty.values()) {
      cutFile(file, {
        upTo,
        keepsPage: () =>
          kept === 'all' || kept === 'bytes' || (kept === 'mixed' && random.chance(0.5)),
      });
    }
    this.flushAll();
  }

  #note(inodes: readonly bigint[], times: FolderTimes, undo: () => void): number {
    this.#sequence += 1;
    this.#operations.push({
      sequence: this.#sequence,
      inodes,
      undo: () => {
        undo();
        for (const { path, mtimeNs } of times) realPosix.setMtime(path, mtimeNs);
      },
    });
    return this.#sequence;
  }

  #bury(path: Buffer): string {
    this.#buried += 1;
    const grave = `${this.#graves}/${this.#buried}`;
    realFs.renameSync(path, grave);
    return grave;
  }
}

/** Times of folders before names in them change. */
export type FolderTimes = readonly { readonly path: Buffer; readonly mtimeNs: bigint }[];

export function folderTimes(...folders: readonly Buffer[]): FolderTimes {
  return folders.map((path) => ({ path, mtimeNs: statOf(path).mtimeNs }));
}

/** Sizes up to an operation are durable; bytes past a truncation among them are gone. */
function settleSizes(file: DirtyFile, sequence: number): void {
  for (const { to } of file.sizes.filter((change) => change.sequence <= sequence)) {
    file.durableSize = to;
    for (const [page, bytes] of file.pages) {
      const length = Math.max(0, Math.min(bytes.length, to - page * PAGE));
      if (length < bytes.length) file.pages.set(page, bytes.subarray(0, length));
    }
  }
  file.sizes = file.sizes.filter((change) => change.sequence > sequence);
}

/** Gives a file the bytes it has after a cut that kept operations up to a number. */
function cutFile(
  file: DirtyFile,
  choice: { readonly upTo: number; readonly keepsPage: () => boolean },
): void {
  settleSizes(file, choice.upTo);
  const { size: nowSize, mtimeNs } = realFs.fstatSync(file.fd, { bigint: true });
  realFs.ftruncateSync(file.fd, file.durableSize);
  for (const [page, durable] of file.pages) {
    const start = page * PAGE;
    if (start >= file.durableSize) continue;
    if (start < nowSize && choice.keepsPage()) continue;
    const bytes = Buffer.alloc(Math.min(PAGE, file.durableSize - start));
    durable.copy(bytes);
    realFs.writeSync(file.fd, bytes, 0, bytes.length, start);
  }
  const path = realFs.readlinkSync(`/proc/self/fd/${file.fd}`, { encoding: 'buffer' });
  if (isThere(path)) realPosix.setMtime(path, mtimeNs);
}
