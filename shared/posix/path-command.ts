/**
 * Runs a coreutils command on a path whose bytes need not be UTF-8: Node's arguments are strings,
 * so the path travels to `xargs -0` on standard input. Only the portable version needs this.
 */
import { execFile, spawnSync } from 'node:child_process';
import { systemError } from './system-error.js';

const own = Buffer.from('/proc/self/');

/** `/proc/self` means the child in a child: name this process instead. */
function fromOutside(path: Buffer): Buffer {
  if (!path.subarray(0, own.length).equals(own)) return path;
  return Buffer.concat([Buffer.from(`/proc/${process.pid}/`), path.subarray(own.length)]);
}

/** Undefined when the command succeeded, else what it said; ENOSYS when it cannot be started. */
export function runOnPath(
  command: readonly string[],
  path: Buffer,
  syscall: string,
): string | undefined {
  const result = spawnSync('xargs', ['-0', ...command], {
    input: Buffer.concat([fromOutside(path), Buffer.from([0])]),
    env: { ...process.env, LC_ALL: 'C' },
    encoding: 'utf8',
  });
  if (result.error !== undefined) throw systemError('ENOSYS', syscall, path, result.error);
  return result.status === 0 ? undefined : result.stderr.trim();
}

/** The arguments that flush the file system of one of this process's descriptors. */
function flushArguments(fd: number): string[] {
  return ['-f', `/proc/${process.pid}/fd/${fd}`];
}

export function flushWithCommandSync(fd: number): void {
  const result = spawnSync('sync', flushArguments(fd), { encoding: 'utf8' });
  if (result.error !== undefined) throw systemError('ENOSYS', 'syncfs', undefined, result.error);
  if (result.status !== 0) throw flushFailed(result.stderr);
}

export function flushWithCommand(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('sync', flushArguments(fd), (error, _stdout, stderr) => {
      if (error === null) resolve();
      else if (error.code === 'ENOENT') {
        reject(systemError('ENOSYS', 'syncfs', undefined, error));
      } else reject(flushFailed(stderr));
    });
  });
}

function flushFailed(said: string): Error {
  return systemError('EIO', 'syncfs', undefined, new Error(said.trim()));
}
