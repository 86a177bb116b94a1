/** Deletes a name and all below it, by descriptors, never through a link or into another file system. */
import { closeSync, rmdirSync, unlinkSync } from 'node:fs';
import { AfterimageError } from '../errors.js';
import { toPathText } from '../path-text.js';
import type { Posix } from '../posix/posix.js';
import { below, openFolder } from './folder-cursor.js';
import { kindOf } from './plan.js';

/** Names deleted. Throws system errors, and `storage-failed` at a mount point. */
export function removeTree(posix: Posix, folder: number, name: Buffer): number {
  const path = below(folder, name);
  const status = posix.lstat(path);
  if (kindOf(status.mode) !== 'folder') {
    unlinkSync(path);
    return 1;
  }
  if (status.dev !== posix.fstat(folder).dev) {
    throw new AfterimageError(
      'storage-failed',
      `${toPathText(name)} is another file system and is not deleted`,
    );
  }
  const fd = openFolder(path);
  let removed = 1;
  try {
    for (const entry of posix.scanFolder(below(fd, Buffer.from('.')))) {
      removed += removeTree(posix, fd, entry.name);
    }
  } finally {
    closeSync(fd);
  }
  rmdirSync(path);
  return removed;
}
