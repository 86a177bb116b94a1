/**
 * How files are packed for `Posix.readSmall`, and what comes back. The twin in C++ is
 * native/src/small-files.cc. Little-endian: ino u64 @0, mtime i64 @8, ctime i64 @16 (ns), dev u64
 * @24, size u32 @32, place in the room u32 @36, length of the name u32 @40, then the name.
 */
import type { Posix, ScanEntry } from './posix.js';
import { checkDescriptor } from './system-error.js';

const HEAD_BYTES = 44;

/** What became of one file of a batch. */
export const smallCodes = {
  /** It moved, cannot be opened, or somebody writes to it without a trace: read it by itself. */
  otherWay: 0,
  /** Its content is of one moment, that of the scan. */
  read: 1,
  /** The same, and it has extended attributes. */
  readWithAttributes: 2,
} as const;

export function packedBytes(entry: Pick<ScanEntry, 'name'>): number {
  return HEAD_BYTES + entry.name.length;
}

/** Writes a file at `at`; returns where the next one goes. `place`: of its content in the room. */
export function packSmall(
  into: Uint8Array,
  at: number,
  file: { readonly entry: ScanEntry; readonly place: number },
): number {
  const { name, status } = file.entry;
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  view.setBigUint64(at, status.ino, true);
  view.setBigInt64(at + 8, status.mtimeNs, true);
  view.setBigInt64(at + 16, status.ctimeNs, true);
  view.setBigUint64(at + 24, BigInt(status.dev), true);
  view.setUint32(at + 32, status.size, true);
  view.setUint32(at + 36, file.place, true);
  view.setUint32(at + 40, name.length, true);
  into.set(name, at + HEAD_BYTES);
  return at + HEAD_BYTES + name.length;
}

/** Of the packed file at `at`; `next`: where the one after it is. */
export function smallSize(
  files: Buffer,
  at: number,
): { readonly size: number; readonly place: number; readonly next: number } {
  return {
    size: files.readUInt32LE(at + 32),
    place: files.readUInt32LE(at + 36),
    next: at + HEAD_BYTES + files.readUInt32LE(at + 40),
  };
}

/** What the addon exports; one of older sources does not. */
export type SmallBinding = (
  folder: number,
  files: Uint8Array,
  room: Uint8Array,
  codes: Uint8Array,
) => void;

export function nativeSmallFiles(binding: {
  readonly readSmall?: SmallBinding;
}): Pick<Posix, 'readSmall'> {
  const { readSmall } = binding;
  if (readSmall === undefined) return {};
  return {
    readSmall({ folder, files, room, codes }) {
      checkDescriptor(folder, 'openat');
      readSmall(folder, files, room, codes);
    },
  };
}
