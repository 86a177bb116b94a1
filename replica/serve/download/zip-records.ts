/**
 * Records of zip files (APPNOTE 6.3.10): made on unix, with zip64 sizes where they are needed, Unix
 * times and owners, and names as they are: the flag for UTF-8 is set where a name is.
 */
import { isUtf8 } from 'node:buffer';
import type { NodeVersion } from '../../history/set-reader.js';

export const STORED = 0;
export const DEFLATED = 8;
export type ZipMethod = typeof STORED | typeof DEFLATED;

/** Sizes and digest follow the content, because it is not known before. */
const FLAG_DESCRIPTOR = 0x0008;
const FLAG_UTF8 = 0x0800;
const VERSION_ZIP64 = 45;
const MADE_ON_UNIX = 3 << 8;
const MAX_16 = 0xffff;
const MAX_32 = 0xffff_ffff;
const NS_PER_S = 1_000_000_000n;

const kindBits: Partial<Record<NodeVersion['kind'], number>> = {
  file: 0o100000,
  folder: 0o040000,
  symlink: 0o120000,
};

export interface ZipEntry {
  /** With a slash at its end for a folder. */
  readonly name: Buffer;
  readonly version: NodeVersion;
  readonly method: ZipMethod;
}

export interface ZipContent {
  readonly crc: number;
  readonly bytes: number;
  readonly packedBytes: number;
}

/** Whether zip has a kind of entry for it, and room for its name. */
export function fitsZip(path: Buffer, { kind }: NodeVersion): boolean {
  return kindBits[kind] !== undefined && path.length < MAX_16;
}

/** Without `content` a descriptor follows what is packed. */
export function localHeader(entry: ZipEntry, content: ZipContent | undefined): Buffer {
  const { name, version } = entry;
  // A descriptor has 8-byte sizes where the header has this field.
  const sizes = content === undefined ? zip64Field([0, 0]) : Buffer.alloc(0);
  const extra = Buffer.concat([sizes, timeField(version), ownerField(version)]);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x0403_4b50, 0);
  header.writeUInt16LE(VERSION_ZIP64, 4);
  common(header.subarray(6), entry, content);
  header.writeUInt32LE(content?.crc ?? 0, 14);
  header.writeUInt32LE(content?.packedBytes ?? MAX_32, 18);
  header.writeUInt32LE(content?.bytes ?? MAX_32, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

/** After content whose local header said none of it. */
export function descriptor({ crc, bytes, packedBytes }: ZipContent): Buffer {
  const record = Buffer.alloc(24);
  record.writeUInt32LE(0x0807_4b50, 0);
  record.writeUInt32LE(crc, 4);
  record.writeBigUInt64LE(BigInt(packedBytes), 8);
  record.writeBigUInt64LE(BigInt(bytes), 16);
  return record;
}

/** What the directory at the end says of an entry; `streamed` for one with a descriptor. */
export function directoryRecord(
  entry: ZipEntry,
  content: ZipContent,
  at: { readonly offset: number; readonly streamed: boolean },
): Buffer {
  const { name, version } = entry;
  const { offset, streamed } = at;
  const large = [content.bytes, content.packedBytes, offset].filter((value) => value >= MAX_32);
  const sizes = large.length === 0 ? Buffer.alloc(0) : zip64Field(large);
  const extra = Buffer.concat([sizes, timeField(version), ownerField(version)]);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x0201_4b50, 0);
  header.writeUInt16LE(MADE_ON_UNIX | VERSION_ZIP64, 4);
  header.writeUInt16LE(VERSION_ZIP64, 6);
  common(header.subarray(8), entry, streamed ? undefined : content);
  header.writeUInt32LE(content.crc, 16);
  header.writeUInt32LE(Math.min(MAX_32, content.packedBytes), 20);
  header.writeUInt32LE(Math.min(MAX_32, content.bytes), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  const unixMode = (kindBits[version.kind] ?? 0) | (version.mode & 0o7777);
  const dosFolder = version.kind === 'folder' ? 0x10 : 0;
  header.writeUInt32LE(((unixMode << 16) | dosFolder) >>> 0, 38);
  header.writeUInt32LE(Math.min(MAX_32, offset), 42);
  return Buffer.concat([header, name, extra]);
}

/** Ends the file; `comment` is for people. */
export function zipEnd(of: {
  readonly entries: number;
  readonly offset: number;
  readonly bytes: number;
  readonly comment: string;
}): Buffer {
  const { entries, offset, bytes } = of;
  const comment = Buffer.from(of.comment);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(Math.min(MAX_16, entries), 8);
  end.writeUInt16LE(Math.min(MAX_16, entries), 10);
  end.writeUInt32LE(Math.min(MAX_32, bytes), 12);
  end.writeUInt32LE(Math.min(MAX_32, offset), 16);
  end.writeUInt16LE(comment.length, 20);
  if (entries < MAX_16 && bytes < MAX_32 && offset < MAX_32) return Buffer.concat([end, comment]);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x0606_4b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(MADE_ON_UNIX | VERSION_ZIP64, 12);
  end64.writeUInt16LE(VERSION_ZIP64, 14);
  end64.writeBigUInt64LE(BigInt(entries), 24);
  end64.writeBigUInt64LE(BigInt(entries), 32);
  end64.writeBigUInt64LE(BigInt(bytes), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x0706_4b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + bytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end64, locator, end, comment]);
}

/** Flags, method and DOS time, which local header and directory have in the same order. */
function common(at: Buffer, entry: ZipEntry, content: ZipContent | undefined): void {
  const { name, version, method } = entry;
  const utf8 = isUtf8(name) ? FLAG_UTF8 : 0;
  at.writeUInt16LE((content === undefined ? FLAG_DESCRIPTOR : 0) | utf8, 0);
  at.writeUInt16LE(method, 2);
  at.writeUInt32LE(dosTime(secondsOf(version)), 4);
}

function zip64Field(values: readonly number[]): Buffer {
  const field = Buffer.alloc(4 + values.length * 8);
  field.writeUInt16LE(0x0001, 0);
  field.writeUInt16LE(values.length * 8, 2);
  for (const [index, value] of values.entries()) {
    field.writeBigUInt64LE(BigInt(value), 4 + index * 8);
  }
  return field;
}

/** Extended timestamp: seconds since the epoch, where 32 bits hold them. */
function timeField(version: NodeVersion): Buffer {
  const seconds = secondsOf(version);
  if (seconds < -0x8000_0000 || seconds > 0x7fff_ffff) return Buffer.alloc(0);
  const field = Buffer.alloc(9);
  field.writeUInt16LE(0x5455, 0);
  field.writeUInt16LE(5, 2);
  field.writeUInt8(1, 4);
  field.writeInt32LE(seconds, 5);
  return field;
}

/** Owner and group, 4 bytes each (Info-ZIP's `ux`). */
function ownerField({ uid, gid }: NodeVersion): Buffer {
  const field = Buffer.alloc(15);
  field.writeUInt16LE(0x7875, 0);
  field.writeUInt16LE(11, 2);
  field.writeUInt8(1, 4);
  field.writeUInt8(4, 5);
  field.writeUInt32LE(uid, 6);
  field.writeUInt8(4, 10);
  field.writeUInt32LE(gid, 11);
  return field;
}

function secondsOf({ mtimeNs }: NodeVersion): number {
  return Math.floor(Number(mtimeNs / (NS_PER_S / 1000n)) / 1000);
}

/** In UTC; readers that know the extended timestamp take that. 1980 to 2107. */
function dosTime(seconds: number): number {
  const limited = Math.min(
    Math.max(seconds, Date.UTC(1980, 0, 1) / 1000),
    Date.UTC(2107, 11, 31) / 1000,
  );
  const at = new Date(limited * 1000);
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  const date =
    ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  return ((date << 16) | time) >>> 0;
}
