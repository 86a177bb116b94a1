/** Ends mounts, and removes what is left of those whose process is gone. */
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { detach, ownPrivilege } from './attach.js';
import { isMountedAt } from './mount-info.js';
import { isServed, type MountRecord, type MountRecords } from './mount-records.js';
import type { MountBinding } from './native-mount.js';

const PATIENCE_MS = 10_000;
const LOOK_MS = 10;

/** Detaches the folder, waits for the process, and removes what the mount left. Throws `mount-busy`. */
export async function endMount(
  record: MountRecord,
  means: { readonly binding: MountBinding; readonly records: MountRecords },
  manner: 'idle' | 'lazy',
): Promise<void> {
  await detachFolders(record, means.binding, manner);
  const endMs = performance.now() + PATIENCE_MS;
  while (isServed(record)) {
    if (manner === 'lazy') return;
    if (performance.now() > endMs) {
      throw new AfterimageError(
        'timed-out',
        `process ${record.pid} of the mount at ${record.folder} does not end`,
      );
    }
    await delay(LOOK_MS);
  }
  clear(record, means.records);
}

/** The overlay first, then what it lies on. */
export async function detachFolders(
  record: Pick<MountRecord, 'folder' | 'pointFolder'>,
  binding: MountBinding,
  manner: 'idle' | 'lazy',
): Promise<void> {
  const privilege = ownPrivilege();
  for (const folder of new Set([record.folder, record.pointFolder])) {
    if (isMountedAt(folder)) await detach({ binding, privilege, folder, manner });
  }
}

/** Removes scratch, folder and record; nothing of it is mounted any more. */
export function clear(record: MountRecord, records: MountRecords): void {
  const { scratch, madeFolder, folder, pointFolder } = record;
  if (scratch !== null) {
    if (pointFolder !== folder) removeEmpty(pointFolder);
    if (!scratch.stays) {
      // The process does this as well when it ends, maybe now: what is gone already is no trouble.
      for (const name of namesIn(scratch.folder)) {
        fs.rmSync(join(scratch.folder, name), { recursive: true, force: true });
      }
      if (scratch.isOwn) removeEmpty(scratch.folder);
    }
  }
  if (madeFolder) removeEmpty(folder);
  records.remove(record);
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function removeEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes(errno)) throw error;
  }
}

/** Ends what has no process any more; the folders that were freed. */
export async function sweepMounts(means: {
  readonly binding: MountBinding;
  readonly records: MountRecords;
}): Promise<string[]> {
  const stale = means.records.list().filter((record) => !isServed(record));
  for (const record of stale) await endMount(record, means, 'lazy');
  return stale.map(({ folder }) => folder);
}
