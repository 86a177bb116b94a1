/**
 * The system calls Node lacks, as one interface: `native/` when it is built, a portable version
 * otherwise. Paths are Buffers; `/proc/self/fd/N/name` is used by callers to stay below a folder
 * descriptor, and no call follows a symbolic link in the last component. Failures throw a system
 * error with `code`, `errno`, `syscall` and `path` like Node's own.
 */

import type { MakeFilesCalls } from './make-files.js';
import type { MtimeCall } from './mtime-call.js';
import type { NewFileCalls } from './new-files.js';
import type { TreeScan, TreeScanOptions } from './tree-scan.js';

/** One entry of a folder with its status, from `scanFolder`. Times are ns since the epoch. */
export interface ScanEntry {
  readonly name: Buffer;
  readonly status: FileStatus;
}

export interface FileStatus {
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Identity is (dev, ino, btime): inode numbers are reused at once, birth times are not. */
  readonly dev: number;
  readonly ino: bigint;
  readonly size: number;
  readonly blocks: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly btimeNs: bigint;
}

export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** A stretch [start, end) of a file that holds data; what lies between is a hole. */
export interface DataRange {
  readonly start: number;
  readonly end: number;
}

/** A name of one component in an open folder. */
export interface SnapshotPlace {
  readonly folder: number;
  readonly name: Buffer;
}

/** Files of one folder, read in one call. */
export interface SmallBatch {
  readonly folder: number;
  readonly files: Uint8Array;
  /** Gets their content. */
  readonly room: Uint8Array;
  /** Gets a code for each. */
  readonly codes: Uint8Array;
}

/** Who may write to a file beside us; see `flushWriters`. */
export type Writers = 'nobody' | 'flushed' | 'blind';

export interface Posix extends MakeFilesCalls, NewFileCalls, MtimeCall {
  /** True when the native addon serves. */
  readonly native: boolean;
  /** What this version cannot carry, as words for the operator; empty when native. */
  readonly missing: readonly string[];
  lstat(path: Buffer): FileStatus;
  fstat(fd: number): FileStatus;
  /**
   * Entries of a folder without `.` and `..`, sorted by name bytes. Entries that vanish while
   * scanning are left out. The names are views of one buffer. A folder's own descriptor is scanned
   * as `/proc/self/fd/N/.` (the trailing dot, since the last component is never followed).
   */
  scanFolder(path: Buffer): ScanEntry[];
  /**
   * The same as one packed buffer, sorted by name, for fingerprinting a folder cheaply: equal
   * buffers mean equal names and equal status fields except atime, nlink of folders and blocks.
   */
  scanFolderPacked(path: Buffer): Buffer;
  /**
   * Begins to scan a tree by threads of its own; undefined without the native part.
   * @throws a system error when the root cannot be opened or no thread started
   */
  scanTree(options: TreeScanOptions): TreeScan | undefined;
  /** Entries of a packed scan; `blocks`, and `nlink` of folders, read 0 there. */
  unpackScan(packed: Buffer): ScanEntry[];
  /** Extended attributes (ACLs are `system.posix_acl_access` and `…_default`), sorted by name. */
  getXattrs(path: Buffer): Xattr[];
  setXattr(path: Buffer, name: Buffer, value: Buffer): void;
  removeXattr(path: Buffer, name: Buffer): void;
  /**
   * Sets permission bits (0o7777) without following a symbolic link and without opening the file,
   * so that it serves FIFOs and devices too. EOPNOTSUPP on a symbolic link, which has no mode.
   */
  setMode(path: Buffer, mode: number): void;
  /** FIFO, socket, character and block nodes; `mode` with type bits, less the umask. */
  mknod(path: Buffer, mode: number, rdev: number): void;
  /** Flushes the whole file system that holds `fd`; resolves when durable. */
  syncfs(fd: number): Promise<void>;
  syncfsSync(fd: number): void;
  /** Data ranges by SEEK_DATA/SEEK_HOLE within [0, size). One range when the file system cannot tell. */
  dataRanges(fd: number, size: number): DataRange[];
  /** Opaque file handle (type + bytes, holds the inode generation), or undefined when unsupported. */
  handleOf(path: Buffer): Buffer | undefined;
  /**
   * Whether anybody has a file open for writing, a mapping included. If so, what they dirtied is
   * written back (not flushed to the disk), so that their next store through a mapping moves ctime:
   * `flushed`; `blind` when the file system keeps no time of such stores at all (tmpfs). `fd` must be
   * open for reading only. Without the native part nothing is
   * flushed, and `flushed` says nothing.
   */
  flushWriters(fd: number): Writers;
  /**
   * Reads many files of an open folder, each only if it is as a scan saw it; undefined without the
   * native part. `files` and `codes` are packed as small-files.ts says.
   */
  readonly readSmall?: (batch: SmallBatch) => void;
  /** An unnamed file in `folder` (O_TMPFILE), or undefined when the file system has none. */
  openTemporary(folder: Buffer, mode: number): number | undefined;
  /** Gives an unnamed file a name (linkat). */
  linkTemporary(fd: number, path: Buffer): void;
  /**
   * Makes `to` a copy of `from` that shares its blocks (FICLONE), as it is at one instant; what is
   * dirty of `from` is flushed first. Both may be closed at once. EOPNOTSUPP, EXDEV or EINVAL where
   * that cannot be, ENOSPC or EDQUOT when there is no room for the bookkeeping.
   */
  clone(from: number, to: number): Promise<void>;
  cloneSync(from: number, to: number): void;
  /** Makes a read-only snapshot of an open btrfs subvolume: `name` in the open folder. */
  createSnapshot(subvolume: number, at: SnapshotPlace): Promise<void>;
  destroySnapshot(at: SnapshotPlace): Promise<void>;
}
