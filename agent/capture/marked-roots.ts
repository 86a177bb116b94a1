/**
 * Opens a set's roots for a feed of the kernel, and says of each that cannot be followed why not.
 * A file system serves when every change of it goes through this kernel, its handles lead back to
 * paths, and it is known to raise events: that is asked here, since marking alone does not tell.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { AfterimageError, errnoOf, messageOf } from '../../shared/errors.js';
import type { FeedRoot } from '../../shared/posix/feed.js';
import type { CapturedRoot } from './capture-source.js';
import { mountOf, openTop, readMountTable, type Mount } from './mount-table.js';

const followed = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'tmpfs', 'overlay']);

export interface MarkedRoots {
  readonly open: readonly FeedRoot[];
  /** Those that are not there. */
  readonly missing: readonly CapturedRoot[];
  close(): void;
}

/** @throws AfterimageError `capture-unavailable` for a root on a file system that does not serve */
export function openMarkedRoots(roots: readonly CapturedRoot[]): MarkedRoots {
  const table = readMountTable();
  const open: FeedRoot[] = [];
  const missing: CapturedRoot[] = [];
  const close = (): void => {
    for (const { fd, markFd } of open) {
      if (markFd !== fd) closeSync(markFd);
      closeSync(fd);
    }
  };
  try {
    for (const root of roots) {
      const fd = openRoot(root.path);
      if (fd === undefined) {
        missing.push(root);
        continue;
      }
      const at = open.push({ ...root, fd, markFd: fd }) - 1;
      open[at] = { ...root, fd, markFd: findMark(root.path, fd, table) };
    }
  } catch (error) {
    close();
    throw error;
  }
  return { open, missing, close };
}

/** What the path of a root leads to, to be compared; undefined for nothing. */
export function rootIdentity(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function openRoot(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined;
    throw new AfterimageError('capture-unavailable', `root ${path} cannot be opened`, {
      cause: error,
      facts: { path },
    });
  }
}

function findMark(path: string, fd: number, table: readonly Mount[]): number {
  const mount = mountOf(fd, table);
  const type = mount?.type;
  if (mount === undefined || type === undefined) {
    throw refuse(path, 'its file system is not in /proc/self/mountinfo');
  }
  if (!followed.has(type)) {
    throw refuse(path, `${type} is not known to report every change to this kernel`);
  }
  return type === 'btrfs' && isSubvolume(fd, mount, table) ? openBtrfsTop(path, mount, table) : fd;
}

/** Only the top level of btrfs can be marked, and its mark serves all subvolumes. */
function isSubvolume(fd: number, mount: Mount, table: readonly Mount[]): boolean {
  if (mount.root !== '/') return true;
  const top = openTop(mount, table);
  if (top === undefined) return true;
  try {
    return fstatSync(top).dev !== fstatSync(fd).dev;
  } finally {
    closeSync(top);
  }
}

function openBtrfsTop(path: string, mount: Mount, table: readonly Mount[]): number {
  for (const other of table) {
    if (other.device !== mount.device || other.root !== '/') continue;
    const fd = openTop(other, table);
    if (fd !== undefined) return fd;
  }
  throw refuse(
    path,
    'it is a btrfs subvolume, and the top level is not mounted; mount it anywhere with subvolid=5',
  );
}

/** Words for what `openFeed` threw. */
export function explainRefusal(error: unknown): AfterimageError {
  if (error instanceof AfterimageError) return error;
  const { syscall, code, path } = error as NodeJS.ErrnoException;
  const because = { cause: error, facts: { errno: code ?? null } };
  if (syscall === 'fanotify_init' && code === 'EPERM') {
    const message = 'the kernel reports changes only to processes with CAP_SYS_ADMIN';
    return new AfterimageError('capture-unavailable', message, because);
  }
  const why =
    code === 'ENOTSUP' || code === 'EOPNOTSUPP'
      ? 'its file system has no file handles; an overlay has them with index=on,nfs_export=on'
      : messageOf(error);
  const what = path === undefined ? why : `root ${path} cannot be followed: ${why}`;
  return new AfterimageError('capture-unavailable', what, because);
}

function refuse(path: string, why: string): AfterimageError {
  return new AfterimageError('capture-unavailable', `root ${path} cannot be followed: ${why}`, {
    facts: { path },
  });
}
