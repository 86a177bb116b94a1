/**
 * `Posix` without the addon: Node's own calls, and coreutils where Node has none. Slower, and poorer
 * by what `missing` lists; what it does, it does under the same contract.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  lutimesSync,
  openSync,
  readdirSync,
} from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { errnoOf } from '../errors.js';
import { portableMakeFiles } from './make-files.js';
import { flushWithCommand, flushWithCommandSync, runOnPath } from './path-command.js';
import { portableNewFiles } from './new-files.js';
import type { FileStatus, Posix, ScanEntry } from './posix.js';
import { clampNs, packScan, unpackScan } from './scan-record.js';
import { setMode } from './set-mode.js';
import { checkBytes, checkCount, checkDescriptor, systemError } from './system-error.js';

const TYPE_FIFO = 0o010000;
const slash = Buffer.from('/');

export function createPortablePosix(): Posix {
  return {
    native: false,
    missing: [
      'extended attributes and ACLs',
      'sockets and device nodes',
      'holes of sparse files',
      'times finer than a microsecond on restored files',
      'file handles',
      'unnamed temporary files',
      'stores through memory mappings that were under way while a file was read',
    ],
    lstat: statusOf,
    fstat(fd) {
      checkDescriptor(fd, 'fstat');
      return toStatus(fstatSync(fd, { bigint: true }));
    },
    scanFolder,
    scanFolderPacked: (path) => packScan(scanFolder(path)),
    scanTree: () => undefined,
    unpackScan,
    setMode,
    getXattrs(path) {
      statusOf(path);
      return [];
    },
    setXattr(path) {
      checkBytes(path, 'lsetxattr');
      throw systemError('ENOTSUP', 'lsetxattr', path);
    },
    removeXattr(path) {
      checkBytes(path, 'lremovexattr');
      throw systemError('ENOTSUP', 'lremovexattr', path);
    },
    setMtime,
    ...portableNewFiles({ setMtime }),
    mknod,
    ...portableMakeFiles({ setMtime }),
    async syncfs(fd) {
      fstatSync(fd);
      await flushWithCommand(fd);
    },
    syncfsSync(fd) {
      fstatSync(fd);
      flushWithCommandSync(fd);
    },
    dataRanges(fd, size) {
      checkDescriptor(fd, 'lseek');
      checkCount(size, 'lseek');
      return size === 0 ? [] : [{ start: 0, end: size }];
    },
    handleOf(path) {
      statusOf(path);
      return undefined;
    },
    openTemporary: () => undefined,
    flushWriters(fd) {
      checkDescriptor(fd, 'sync_file_range');
      fstatSync(fd);
      return 'flushed';
    },
    linkTemporary(_fd, path) {
      throw systemError('ENOTSUP', 'linkat', path);
    },
    clone: () => Promise.reject(systemError('ENOTSUP', 'ficlone')),
    cloneSync() {
      throw systemError('ENOTSUP', 'ficlone');
    },
    createSnapshot: () => Promise.reject(systemError('ENOTSUP', 'snapshot')),
    destroySnapshot: () => Promise.reject(systemError('ENOTSUP', 'snapshot')),
  };
}

function statusOf(path: Buffer): FileStatus {
  checkBytes(path, 'lstat');
  return toStatus(lstatSync(path, { bigint: true }));
}

function toStatus(stats: BigIntStats): FileStatus {
  return {
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    rdev: Number(stats.rdev),
    dev: Number(stats.dev),
    ino: stats.ino,
    size: Number(stats.size),
    blocks: Number(stats.blocks),
    mtimeNs: clampNs(stats.mtimeNs),
    ctimeNs: clampNs(stats.ctimeNs),
    btimeNs: clampNs(stats.birthtimeNs),
  };
}

function scanFolder(path: Buffer): ScanEntry[] {
  checkBytes(path, 'scandir');
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const names = readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
    names.sort((a, b) => Buffer.compare(a, b));
    const folder = Buffer.from(`/proc/self/fd/${fd}/`);
    return names.flatMap((name, index) => {
      if (index > 0 && names[index - 1]?.equals(name) === true) return [];
      const status = statusIfThere(
        Buffer.concat([folder, name]),
        Buffer.concat([path, slash, name]),
      );
      return status === undefined ? [] : [{ name, status }];
    });
  } finally {
    closeSync(fd);
  }
}

/** Undefined when gone; failures name the path the caller knows. */
function statusIfThere(through: Buffer, path: Buffer): FileStatus | undefined {
  try {
    return statusOf(through);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    if (error instanceof Error) Object.assign(error, { path: path.toString() });
    throw error;
  }
}

/** Node takes seconds as a double: half a microsecond keeps the rounding within the right one. */
function setMtime(path: Buffer, mtimeNs: bigint): void {
  checkBytes(path, 'lutimes');
  if (mtimeNs >= 0n) {
    const seconds = (Number(mtimeNs / 1_000n) + 0.5) / 1e6;
    lutimesSync(path, seconds, seconds);
    return;
  }
  // libuv wraps times before 1970 round.
  const said = runOnPath(['touch', '-h', '-c', '-d', touchDate(mtimeNs)], path, 'lutimes');
  statusOf(path);
  if (said !== undefined) throw systemError('EIO', 'lutimes', path, new Error(said));
}

/** touch's form of a time before 1970: `@-seconds.fraction`, both counted away from 1970. */
function touchDate(ns: bigint): string {
  const magnitude = -ns;
  const fraction = String(magnitude % 1_000_000_000n).padStart(9, '0');
  return `@-${String(magnitude / 1_000_000_000n)}.${fraction}`;
}

function mknod(path: Buffer, mode: number, rdev: number): void {
  checkBytes(path, 'mknod');
  checkCount(mode, 'mknod');
  checkCount(rdev, 'mknod');
  if ((mode & 0o170000) !== TYPE_FIFO) throw systemError('ENOTSUP', 'mknod', path);
  const said = runOnPath(['mkfifo'], path, 'mknod');
  if (said === undefined) {
    setMode(path, mode & statusOf(path).mode); // the command's own bits are those the umask lets by
    return;
  }
  if (said.endsWith('File exists')) throw systemError('EEXIST', 'mknod', path);
  if (said.endsWith('No such file or directory')) throw systemError('ENOENT', 'mknod', path);
  throw systemError('EIO', 'mknod', path, new Error(said));
}
