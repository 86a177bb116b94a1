/** Deletes a name and all below it, by descriptors, never through a link or into another file system. */
import { closeSync, rmdirSync, unlinkSync } from 'node:fs';
import { AfterimageError } from '../errors.js';
import { toPathText } from '../path-text.js';
import type { FileStatus, Posix } from '../posix/posix.js';
import { below, openFolder } from './folder-cursor.js';
import { kindOf } from './plan.js';
import { joinPath } from './set-path.js';

/** Whether a path of the set is none of the restore's business: it stays, whatever the policy. */
export type Spares = (path: Buffer, status: FileStatus) => boolean;

/** What stays of a tree that goes; `path` is the tree's own, from the set's root. */
export interface Spared {
  readonly path: Buffer;
  readonly spares: Spares;
}

/**
 * `left` when something spared stays, with the folders that lead to it. Throws system errors, and
 * `storage-failed` at a mount point.
 */
export function removeTree(
  posix: Posix,
  folder: number,
  name: Buffer,
  spared?: Spared,
): 'gone' | 'left' {
  const path = below(folder, name);
  const status = posix.lstat(path);
  if (spared?.spares(spared.path, status) === true) return 'left';
  if (kindOf(status.mode) !== 'folder') {
    unlinkSync(path);
    return 'gone';
  }
  checkSameFileSystem(posix, folder, { name, status });
  const fd = openFolder(path);
  let left = false;
  try {
    for (const entry of posix.scanFolder(below(fd, dot))) {
      const child = spared && { ...spared, path: joinPath(spared.path, entry.name) };
      left = removeTree(posix, fd, entry.name, child) === 'left' || left;
    }
  } finally {
    closeSync(fd);
  }
  if (left) return 'left';
  rmdirSync(path);
  return 'gone';
}

const dot = Buffer.from('.');

/** Throws `storage-failed` for what is mounted in the folder. */
export function checkSameFileSystem(
  posix: Posix,
  folder: number,
  { name, status }: { readonly name: Buffer; readonly status: FileStatus },
): void {
  if (status.dev === posix.fstat(folder).dev) return;
  throw new AfterimageError(
    'storage-failed',
    `${toPathText(name)} is another file system and is not deleted`,
  );
}

/** Whether something in a tree stays, itself included. */
export function holdsSpared(posix: Posix, folder: number, name: Buffer, spared: Spared): boolean {
  const path = below(folder, name);
  const status = posix.lstat(path);
  if (spared.spares(spared.path, status)) return true;
  if (kindOf(status.mode) !== 'folder') return false;
  const fd = openFolder(path);
  try {
    return posix.scanFolder(below(fd, dot)).some((entry) =>
      holdsSpared(posix, fd, entry.name, {
        ...spared,
        path: joinPath(spared.path, entry.name),
      }),
    );
  } finally {
    closeSync(fd);
  }
}
