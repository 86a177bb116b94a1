/** `Posix` over the native addon: arguments are checked here, then once more in C++. */
import { type MakeFilesBinding, nativeMakeFiles } from './make-files.js';
import { nativeNewFiles, type NewFileBinding } from './new-files.js';
import type { DataRange, Posix, Writers, Xattr } from './posix.js';
import { readStatus, STATUS_BYTES, unpackScan } from './scan-record.js';
import { setMode } from './set-mode.js';
import { nativeSmallFiles, type SmallBinding } from './small-files.js';
import { type NativeTreeScan, openTreeScan } from './tree-scan.js';
import { checkBytes, checkCount, checkDescriptor } from './system-error.js';

/** What native/src/addon.cc exports. Failures throw system errors. */
export interface NativeBinding extends MakeFilesBinding, NewFileBinding {
  readonly layoutVersion: number;
  lstat(path: Buffer, status: Uint8Array): void;
  fstat(fd: number, status: Uint8Array): void;
  /** `all`: with the fields that a fingerprint leaves out. */
  scanFolder(path: Buffer, all: boolean): Buffer;
  readonly TreeScan: NativeTreeScan;
  /** Name, value, name, value … */
  getXattrs(path: Buffer): Buffer[];
  setXattr(path: Buffer, name: Buffer, value: Buffer): void;
  removeXattr(path: Buffer, name: Buffer): void;
  setMtime(path: Buffer, mtimeNs: bigint): void;
  mknod(path: Buffer, mode: number, rdev: number): void;
  syncfs(fd: number): Promise<undefined>;
  syncfsSync(fd: number): void;
  /** Start, end, start, end … */
  dataRanges(fd: number, size: number): Float64Array;
  handleOf(path: Buffer): Buffer | undefined;
  openTemporary(folder: Buffer, mode: number): number | undefined;
  linkTemporary(fd: number, path: Buffer): void;
  /** Index into `writers`. */
  flushWriters(fd: number): number;
  readonly readSmall?: SmallBinding;
  clone(from: number, to: number): Promise<undefined>;
  cloneSync(from: number, to: number): void;
  createSnapshot(subvolume: number, folder: number, name: Buffer): Promise<undefined>;
  destroySnapshot(folder: number, name: Buffer): Promise<undefined>;
}

const writers: readonly Writers[] = ['nobody', 'flushed', 'blind'];

export function createNativePosix(binding: NativeBinding): Posix {
  const room = new Uint8Array(STATUS_BYTES);
  const view = new DataView(room.buffer);
  return {
    native: true,
    missing: [],
    lstat(path) {
      checkBytes(path, 'lstat');
      binding.lstat(path, room);
      return readStatus(view, 0);
    },
    fstat(fd) {
      checkDescriptor(fd, 'fstat');
      binding.fstat(fd, room);
      return readStatus(view, 0);
    },
    scanFolder(path) {
      checkBytes(path, 'scandir');
      return unpackScan(binding.scanFolder(path, true));
    },
    scanFolderPacked(path) {
      checkBytes(path, 'scandir');
      return binding.scanFolder(path, false);
    },
    scanTree(options) {
      checkDescriptor(options.rootFd, 'scandir');
      return openTreeScan(binding.TreeScan, options);
    },
    unpackScan,
    setMode,
    ...nativeSmallFiles(binding),
    ...metadataCalls(binding),
    ...nativeMakeFiles(binding),
    ...fileCalls(binding),
    ...cloneCalls(binding),
    ...nativeNewFiles(binding),
  };
}

function metadataCalls(
  binding: NativeBinding,
): Pick<Posix, 'getXattrs' | 'setXattr' | 'removeXattr' | 'setMtime' | 'mknod'> {
  return {
    getXattrs(path) {
      checkBytes(path, 'llistxattr');
      return pairUp(binding.getXattrs(path));
    },
    setXattr(path, name, value) {
      checkBytes(path, 'lsetxattr');
      checkBytes(name, 'lsetxattr');
      binding.setXattr(path, name, value);
    },
    removeXattr(path, name) {
      checkBytes(path, 'lremovexattr');
      checkBytes(name, 'lremovexattr');
      binding.removeXattr(path, name);
    },
    setMtime(path, mtimeNs) {
      checkBytes(path, 'lutimes');
      binding.setMtime(path, mtimeNs);
    },
    mknod(path, mode, rdev) {
      checkBytes(path, 'mknod');
      checkCount(mode, 'mknod');
      checkCount(rdev, 'mknod');
      binding.mknod(path, mode, rdev);
    },
  };
}

function fileCalls(
  binding: NativeBinding,
): Pick<
  Posix,
  | 'syncfs'
  | 'syncfsSync'
  | 'dataRanges'
  | 'handleOf'
  | 'openTemporary'
  | 'linkTemporary'
  | 'flushWriters'
> {
  return {
    async syncfs(fd) {
      checkDescriptor(fd, 'syncfs');
      await binding.syncfs(fd);
    },
    syncfsSync(fd) {
      checkDescriptor(fd, 'syncfs');
      binding.syncfsSync(fd);
    },
    dataRanges(fd, size) {
      checkDescriptor(fd, 'lseek');
      checkCount(size, 'lseek');
      return toRanges(binding.dataRanges(fd, size));
    },
    handleOf(path) {
      checkBytes(path, 'name_to_handle_at');
      return binding.handleOf(path);
    },
    openTemporary(folder, mode) {
      checkBytes(folder, 'open');
      checkCount(mode, 'open');
      return binding.openTemporary(folder, mode);
    },
    linkTemporary(fd, path) {
      checkDescriptor(fd, 'linkat');
      checkBytes(path, 'linkat');
      binding.linkTemporary(fd, path);
    },
    flushWriters(fd) {
      checkDescriptor(fd, 'sync_file_range');
      return writers[binding.flushWriters(fd)] ?? 'blind';
    },
  };
}

function cloneCalls(
  binding: NativeBinding,
): Pick<Posix, 'clone' | 'cloneSync' | 'createSnapshot' | 'destroySnapshot'> {
  return {
    async clone(from, to) {
      checkDescriptor(from, 'ficlone');
      checkDescriptor(to, 'ficlone');
      await binding.clone(from, to);
    },
    cloneSync(from, to) {
      checkDescriptor(from, 'ficlone');
      checkDescriptor(to, 'ficlone');
      binding.cloneSync(from, to);
    },
    async createSnapshot(subvolume, { folder, name }) {
      checkDescriptor(subvolume, 'snapshot');
      checkDescriptor(folder, 'snapshot');
      checkBytes(name, 'snapshot');
      await binding.createSnapshot(subvolume, folder, name);
    },
    async destroySnapshot({ folder, name }) {
      checkDescriptor(folder, 'snapshot');
      checkBytes(name, 'snapshot');
      await binding.destroySnapshot(folder, name);
    },
  };
}

function pairUp(flat: readonly Buffer[]): Xattr[] {
  const xattrs: Xattr[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const [name, value] = flat.slice(index, index + 2);
    if (name !== undefined && value !== undefined) xattrs.push({ name, value });
  }
  return xattrs.sort((a, b) => Buffer.compare(a.name, b.name));
}

function toRanges(flat: Float64Array): DataRange[] {
  const ranges: DataRange[] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) {
    ranges.push({ start: flat[index] ?? 0, end: flat[index + 1] ?? 0 });
  }
  return ranges;
}
