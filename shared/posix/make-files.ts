/**
 * Small files made many in a call, with their content and metadata: a restore makes millions. The
 * addon takes packed records; without it, Node's own calls do the same one by one.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { constants as system } from 'node:os';
import { PAGE_BYTES } from '../limits.js';
import type { MtimeCall } from './mtime-call.js';
import { checkDescriptor, type ErrnoName, systemError } from './system-error.js';

/** A file to make: name of one component, metadata, and where its bytes are among those given. */
export interface NewFile {
  readonly name: Buffer;
  readonly mode: number;
  /** Undefined: the maker's. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly mtimeNs: bigint;
  readonly offset: number;
  readonly length: number;
}

/** Why the `index`-th of several was not made. */
export interface FailedFile {
  readonly index: number;
  /** A system error. */
  readonly error: unknown;
}

export interface MadeFiles {
  /** Less than the contents when these have holes. */
  readonly bytesWritten: number;
  readonly failed: readonly FailedFile[];
}

export interface MakeFilesCalls {
  /**
   * Makes small files in an open folder, with their bytes in `content` and their metadata; pages of
   * zeros become holes. Nothing stays of a file that failed, the others are made all the same; a name
   * that is there, whatever has it, is EEXIST.
   */
  makeFiles(folder: number, files: readonly NewFile[], content: Buffer): MadeFiles;
}

/** What native/src/make-files.cc exports: bytes written, then index, errno, call for each failure. */
export interface MakeFilesBinding {
  makeFiles(folder: number, records: Buffer, content: Buffer): Int32Array;
}

export function nativeMakeFiles(binding: MakeFilesBinding): MakeFilesCalls {
  return {
    makeFiles(folder, files, content) {
      checkDescriptor(folder, 'open');
      return madeFiles(binding.makeFiles(folder, packFiles(files), content), files);
    },
  };
}

/** `posix` sets the times, as no call of Node takes ns on a descriptor. */
export function portableMakeFiles(posix: MtimeCall): MakeFilesCalls {
  return {
    makeFiles(folder, files, content) {
      checkDescriptor(folder, 'open');
      return makeOneByOne({ folder, files, content }, posix);
    },
  };
}

/** native/src/make-files.h describes a record. */
const HEAD_BYTES = 36;
const AS_IT_IS = 0xffff_ffff;
const BILLION = 1_000_000_000n;
/** In the order of native/src/make-files.cc. */
const calls = ['open', 'write', 'ftruncate', 'fchown', 'fchmod', 'futime', 'close'] as const;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

function packFiles(files: readonly NewFile[]): Buffer {
  const bytes = files.reduce((sum, { name }) => sum + HEAD_BYTES + name.length, 0);
  const records = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { name, mode, owner, mtimeNs, offset, length } of files) {
    const nanoseconds = ((mtimeNs % BILLION) + BILLION) % BILLION;
    records.writeUInt32LE(name.length, at);
    records.writeUInt32LE(mode & 0o7777, at + 4);
    records.writeUInt32LE(owner?.uid ?? AS_IT_IS, at + 8);
    records.writeUInt32LE(owner?.gid ?? AS_IT_IS, at + 12);
    records.writeBigInt64LE((mtimeNs - nanoseconds) / BILLION, at + 16);
    records.writeUInt32LE(Number(nanoseconds), at + 24);
    records.writeUInt32LE(offset, at + 28);
    records.writeUInt32LE(length, at + 32);
    records.set(name, at + HEAD_BYTES);
    at += HEAD_BYTES + name.length;
  }
  return records;
}

/** What the addon answered, with system errors. */
function madeFiles(answer: Int32Array, files: readonly NewFile[]): MadeFiles {
  const failed: FailedFile[] = [];
  for (let at = 1; at + 2 < answer.length; at += 3) {
    const index = answer[at] ?? 0;
    const code = errnoName(answer[at + 1] ?? 0);
    const call = calls[answer[at + 2] ?? 0] ?? 'open';
    failed.push({ index, error: systemError(code, call, files[index]?.name) });
  }
  return { bytesWritten: answer[0] ?? 0, failed };
}

function errnoName(errno: number): ErrnoName {
  for (const [name, number] of Object.entries(system.errno)) {
    if (number === errno) return name as ErrnoName;
  }
  return 'EIO';
}

function makeOneByOne(
  request: {
    readonly folder: number;
    readonly files: readonly NewFile[];
    readonly content: Buffer;
  },
  posix: MtimeCall,
): MadeFiles {
  const failed: FailedFile[] = [];
  let bytesWritten = 0;
  for (const [index, file] of request.files.entries()) {
    try {
      const path = pathBelow(request.folder, file.name);
      const content = request.content.subarray(file.offset, file.offset + file.length);
      bytesWritten += makeFile(path, file, content);
      settle(path, () => {
        posix.setMtime(path, file.mtimeNs);
      });
    } catch (error) {
      failed.push({ index, error });
    }
  }
  return { bytesWritten, failed };
}

function pathBelow(folder: number, name: Buffer): Buffer {
  const text = name.toString('latin1');
  if (text === '' || text === '.' || text === '..' || /[/\0]/.test(text)) {
    throw systemError('EINVAL', 'open', name);
  }
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder}/`), name]);
}

/** Returns bytes written. */
function makeFile(path: Buffer, file: NewFile, content: Buffer): number {
  const fd = openSync(path, NEW_FILE, 0o600);
  return settle(path, () => {
    try {
      const written = writePages(fd, content);
      if (file.owner !== undefined) fchownSync(fd, file.owner.uid, file.owner.gid);
      fchmodSync(fd, file.mode & 0o7777);
      return written;
    } finally {
      closeSync(fd);
    }
  });
}

/** Takes the file away again when what makes it whole fails. */
function settle<T>(path: Buffer, work: () => T): T {
  try {
    return work();
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

const zeroPage = Buffer.alloc(PAGE_BYTES);

function writePages(fd: number, content: Buffer): number {
  let written = 0;
  for (let at = 0; at < content.length; at += PAGE_BYTES) {
    const page = content.subarray(at, at + PAGE_BYTES);
    if (page.equals(zeroPage.subarray(0, page.length))) continue;
    for (let done = 0; done < page.length;) {
      done += writeSync(fd, page, done, page.length - done, at + done);
    }
    written += page.length;
  }
  ftruncateSync(fd, content.length);
  return written;
}
