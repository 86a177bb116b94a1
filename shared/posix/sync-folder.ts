/** Makes a folder's entries durable: names that were made, moved or removed in it. */
import { closeSync, constants, fsyncSync, openSync } from 'node:fs';

export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
