/** The calls of `node:fs` as they are without the model's patches; import it before patching. */
import fs from 'node:fs';
import { loadPosix } from '../../../shared/posix/load-posix.js';

export const realFs: typeof fs = { ...fs };
export const realPosix = { ...loadPosix() };
const slash = 0x2f;

/** Folder and name of a path, the folder as it is really called now. */
export function realPlace(path: string | Buffer): { folder: Buffer; name: Buffer; path: Buffer } {
  const bytes = Buffer.from(path);
  const at = bytes.lastIndexOf(slash);
  const folder = realFs.realpathSync.native(bytes.subarray(0, at), { encoding: 'buffer' });
  const name = bytes.subarray(at + 1);
  return { folder, name, path: Buffer.concat([folder, Buffer.from('/'), name]) };
}

export function statOf(path: string | Buffer): { ino: bigint; mtimeNs: bigint; folder: boolean } {
  const status = realFs.lstatSync(path, { bigint: true });
  return { ino: status.ino, mtimeNs: status.mtimeNs, folder: status.isDirectory() };
}

export function isThere(path: string | Buffer): boolean {
  return realFs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

export function inodeOf(fd: number): bigint {
  return realFs.fstatSync(fd, { bigint: true }).ino;
}

/** Writes a file whole. Node's own would go through the patches. */
export function writeWhole(path: string, bytes: Buffer): void {
  const { O_WRONLY, O_CREAT, O_TRUNC } = realFs.constants;
  const fd = realFs.openSync(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600);
  if (bytes.length > 0) realFs.writeSync(fd, bytes, 0, bytes.length, 0);
  realFs.closeSync(fd);
}

/** Removes a file or a folder with all it holds, if it is there. Node's own would go through the patches. */
export function removeTree(path: string | Buffer): void {
  const status = realFs.lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isDirectory()) {
    realFs.unlinkSync(path);
    return;
  }
  for (const name of realFs.readdirSync(path, { encoding: 'buffer' }))
    removeTree(Buffer.concat([Buffer.from(path), Buffer.from('/'), name]));
  realFs.rmdirSync(path);
}
