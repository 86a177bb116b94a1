/**
 * System errors made in TypeScript that are told from Node's own by nothing: `code`, `errno`,
 * `syscall`, `path`. Also the checks of arguments that both versions of `Posix` share.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

export type ErrnoName = keyof typeof constants.errno;

/** The error for an errno name, worded like Node's. */
export function systemError(
  code: ErrnoName,
  syscall: string,
  path?: Uint8Array,
  cause?: unknown,
): NodeJS.ErrnoException {
  const errno = -constants.errno[code];
  const [name, text] = getSystemErrorMap().get(errno) ?? [code, 'system error'];
  const place = path === undefined ? undefined : Buffer.from(path).toString();
  const message = `${name}: ${text}, ${syscall}${place === undefined ? '' : ` '${place}'`}`;
  const error: NodeJS.ErrnoException =
    cause === undefined ? new Error(message) : new Error(message, { cause });
  return Object.assign(error, { errno, code, syscall }, place === undefined ? {} : { path: place });
}

/** A path or attribute name the kernel could take: not empty (ENOENT), no NUL byte (EINVAL). */
export function checkBytes(bytes: Buffer, syscall: string): void {
  if (bytes.length === 0) throw systemError('ENOENT', syscall, bytes);
  if (bytes.includes(0)) throw systemError('EINVAL', syscall, bytes);
}

export function checkDescriptor(fd: number, syscall: string): void {
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) throw systemError('EBADF', syscall);
}

export function checkCount(value: number, syscall: string): void {
  if (!Number.isSafeInteger(value) || value < 0) throw systemError('EINVAL', syscall);
}
