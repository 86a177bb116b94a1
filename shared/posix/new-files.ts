/**
 * Files of a set that are built and placed many in a call: `new/<node>` written, and moved to where
 * nothing stands yet. The addon does both off the calling thread; without it, `node:fs` does.
 */
import fs from 'node:fs';
import { errnoOf } from '../errors.js';
import type { MtimeCall } from './mtime-call.js';
import { checkDescriptor } from './system-error.js';

/** A stretch of a file that is named by its node. */
export interface NewPiece {
  readonly node: number;
  readonly offset: number;
  /** The piece is all of the file, whatever it held before. */
  readonly whole: boolean;
  /** Not changed until it is written. */
  readonly bytes: Uint8Array;
}

/** A file that leaves its number for a name. */
export interface NewPlace {
  readonly node: number;
  readonly name: Buffer;
  /** Its mtime. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What became of a file that was to be placed. */
export const Placed = {
  moved: 0,
  /** Something has the name. */
  taken: 1,
  /** There is no such file, or no such folder. */
  absent: 2,
  /** The file system cannot move without replacing. */
  unable: 3,
} as const;

export interface NewFileCalls {
  /**
   * Writes pieces into files of a folder, making those that are not there. Rejects with a system error
   * of which `path` is the node.
   */
  writeNew(folder: number, pieces: readonly NewPiece[]): Promise<void>;
  /**
   * Moves files to names of another folder, never over what stands there, and gives them their times.
   * Resolves with one of `Placed` for each; rejects with other system errors.
   */
  placeNew(
    folders: { readonly from: number; readonly to: number },
    files: readonly NewPlace[],
  ): Promise<Uint8Array>;
}

/** What native/src/new-files.cc exports. */
export interface NewFileBinding {
  writeNew(folder: number, targets: Float64Array, pieces: Uint8Array[]): Promise<undefined>;
  placeNew(from: number, to: number, files: Buffer): Promise<Uint8Array>;
}

export function nativeNewFiles(binding: NewFileBinding): NewFileCalls {
  return {
    async writeNew(folder, pieces) {
      checkDescriptor(folder, 'write');
      const targets = new Float64Array(pieces.length * 3);
      const bytes: Uint8Array[] = [];
      for (const [index, piece] of pieces.entries()) {
        targets[index * 3] = piece.node;
        targets[index * 3 + 1] = piece.offset;
        targets[index * 3 + 2] = piece.whole ? 1 : 0;
        bytes.push(piece.bytes);
      }
      await binding.writeNew(folder, targets, bytes);
    },
    placeNew({ from, to }, files) {
      checkDescriptor(from, 'rename');
      checkDescriptor(to, 'rename');
      return binding.placeNew(from, to, encode(files));
    },
  };
}

const HEAD_BYTES = 22;

function encode(files: readonly NewPlace[]): Buffer {
  const size = files.reduce((total, { name }) => total + HEAD_BYTES + name.length, 0);
  const room = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { node, name, seconds, nanoseconds } of files) {
    room.writeDoubleLE(node, at);
    room.writeDoubleLE(seconds, at + 8);
    room.writeUInt32LE(nanoseconds, at + 16);
    room.writeUInt16LE(name.length, at + 20);
    room.set(name, at + HEAD_BYTES);
    at += HEAD_BYTES + name.length;
  }
  return room;
}

const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_TRUNC } = fs.constants;

/** The same by `node:fs`, a file at a time. `posix` sets the times. */
export function portableNewFiles(posix: MtimeCall): NewFileCalls {
  return {
    async writeNew(folder, pieces) {
      await Promise.resolve();
      for (const piece of pieces) writeOne(folder, piece);
    },
    async placeNew(folders, files) {
      await Promise.resolve();
      return Uint8Array.from(files, (file) => placeOne(posix, folders, file));
    },
  };
}

function writeOne(folder: number, { node, offset, whole, bytes }: NewPiece): void {
  const flags = O_WRONLY | O_CREAT | O_NOFOLLOW;
  const fd = fs.openSync(`/proc/self/fd/${folder}/${node}`, flags | (whole ? O_TRUNC : 0), 0o600);
  try {
    for (let done = 0; done < bytes.length;)
      done += fs.writeSync(fd, bytes, done, bytes.length - done, offset + done);
  } catch (error) {
    throw Object.assign(error as Error, { path: String(node) });
  } finally {
    fs.closeSync(fd);
  }
}

function placeOne(
  posix: MtimeCall,
  { from, to }: { readonly from: number; readonly to: number },
  file: NewPlace,
): number {
  const target = Buffer.concat([Buffer.from(`/proc/self/fd/${to}/`), file.name]);
  if (fs.lstatSync(target, { throwIfNoEntry: false }) !== undefined) return Placed.taken;
  try {
    fs.renameSync(`/proc/self/fd/${from}/${file.node}`, target);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Placed.absent;
    throw error;
  }
  posix.setMtime(target, BigInt(file.seconds) * 1_000_000_000n + BigInt(file.nanoseconds));
  return Placed.moved;
}
