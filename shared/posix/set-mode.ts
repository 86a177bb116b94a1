/** chmod that follows nothing and opens nothing: through an O_PATH descriptor (R23). */
import { chmodSync, closeSync, constants, fstatSync, openSync } from 'node:fs';
import { checkBytes, systemError } from './system-error.js';

/** Linux's O_PATH, which `fs.constants` does not list; the same on every architecture Node runs on. */
const O_PATH = 0o10000000;

export function setMode(path: Buffer, mode: number): void {
  checkBytes(path, 'chmod');
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    // Older kernels change a link's own, meaningless mode: refuse before the call.
    if (fstatSync(fd).isSymbolicLink()) throw systemError('EOPNOTSUPP', 'chmod', path);
    chmodSync(`/proc/self/fd/${fd}`, mode & 0o7777);
  } finally {
    closeSync(fd);
  }
}
