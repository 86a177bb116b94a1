/**
 * A snapshot's files seen as those they are copies of: a btrfs snapshot has a device number of its
 * own, everything else of a status is as it was. With the numbers of the live device, what the state
 * knows of a file is known of its copy, and the other way round.
 */
import type { FileStatus, Posix } from '../../shared/posix/posix.js';
import { packScan } from '../../shared/posix/scan-record.js';

/** A subvolume in a snapshot is an empty folder of this number: another file system, as when live. */
const ABSENT_SUBVOLUME_INO = 2n;
const NO_DEVICE = 0;

/** `devices`: the live device of each snapshot's. */
export function viewSnapshots(posix: Posix, devices: ReadonlyMap<number, number>): Posix {
  const see = (status: FileStatus): FileStatus => {
    const live = devices.get(status.dev);
    if (status.ino === ABSENT_SUBVOLUME_INO) return { ...status, dev: NO_DEVICE };
    return live === undefined ? status : { ...status, dev: live };
  };
  const scanFolder: Posix['scanFolder'] = (path) =>
    posix.scanFolder(path).map(({ name, status }) => ({ name, status: see(status) }));
  return {
    ...posix,
    lstat: (path) => see(posix.lstat(path)),
    fstat: (fd) => see(posix.fstat(fd)),
    scanFolder,
    scanFolderPacked: (path) => packScan(scanFolder(path)),
    scanTree: () => undefined,
  };
}
