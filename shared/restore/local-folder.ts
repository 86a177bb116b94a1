/** Reads what is on disk where a folder is to be restored, as far as the plan needs it. */
import { readlinkSync } from 'node:fs';
import { errnoOf } from '../errors.js';
import type { FileStatus, Posix } from '../posix/posix.js';
import { below } from './folder-cursor.js';
import { kindOf, type LocalEntry, type PlanRules, type WantedEntry } from './plan.js';

/** The statuses of a folder's names; of all, or of those asked for. Sorted by name bytes. */
export function localStatuses(
  posix: Posix,
  fd: number,
  only?: readonly Buffer[],
): { readonly name: Buffer; readonly status: FileStatus }[] {
  if (only === undefined) return posix.scanFolder(below(fd, Buffer.from('.')));
  const found: { name: Buffer; status: FileStatus }[] = [];
  for (const name of only) {
    const status = statusIfThere(posix, below(fd, name));
    if (status !== undefined) found.push({ name, status });
  }
  return found;
}

export function statusIfThere(posix: Posix, path: Buffer): FileStatus | undefined {
  try {
    return posix.lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Adds to a status what comparing with `wanted` takes. `path` is the entry's own. */
export function localEntry(
  posix: Posix,
  path: Buffer,
  found: { readonly name: Buffer; readonly status: FileStatus },
  compare: { readonly wanted: WantedEntry; readonly rules: PlanRules },
): LocalEntry {
  const { wanted, rules } = compare;
  const kind = kindOf(found.status.mode);
  if (kind === 'folder' && wanted.version.kind !== 'folder') {
    return { ...found, empty: posix.scanFolder(path).length === 0 };
  }
  if (kind !== wanted.version.kind || wanted.way) return found;
  return {
    ...found,
    ...(kind === 'symlink' ? { target: readlinkSync(path, { encoding: 'buffer' }) } : {}),
    ...(rules.xattrs === 'restore' ? { xattrs: posix.getXattrs(path) } : {}),
  };
}
