/**
 * Says which disk has no room: neither a write that fails nor the database tells where it was, and a
 * set writes to its own folder of the agent's data and, for clones, to the disks of its roots.
 */
import { statfsSync } from 'node:fs';
import { AfterimageError } from '../../shared/errors.js';

/** Less than this share of room or of inodes is none. */
const FREE_SHARE_MIN = 0.01;
const FREE_BYTES_MIN = 1024 * 1024;

/** The error itself where it names a path, is of something else, or no disk of `folders` is full. */
export function nameFullDisk(error: AfterimageError, folders: readonly string[]): AfterimageError {
  if (error.code !== 'storage-full' || typeof error.facts['path'] === 'string') return error;
  for (const path of folders) {
    const found = roomOf(path);
    if (found === undefined || !isFull(found)) continue;
    const { freeBytes, freeInodes } = found;
    return new AfterimageError('storage-full', `the disk of ${path} is full: ${error.message}`, {
      cause: error.cause ?? error,
      facts: { ...error.facts, path, freeBytes, freeInodes },
    });
  }
  return error;
}

interface Room {
  readonly freeBytes: number;
  readonly bytes: number;
  readonly freeInodes: number;
  readonly inodes: number;
}

/** Undefined for a folder that is not there, which is told otherwise. */
function roomOf(path: string): Room | undefined {
  try {
    const { bavail, bsize, blocks, ffree, files } = statfsSync(path);
    return { freeBytes: bavail * bsize, bytes: blocks * bsize, freeInodes: ffree, inodes: files };
  } catch {
    return undefined;
  }
}

/** Some file systems make inodes as they are needed, and tell of none. */
function isFull({ freeBytes, bytes, freeInodes, inodes }: Room): boolean {
  if (freeBytes < Math.max(FREE_BYTES_MIN, bytes * FREE_SHARE_MIN)) return true;
  return inodes > 0 && freeInodes < Math.max(1, inodes * FREE_SHARE_MIN);
}
