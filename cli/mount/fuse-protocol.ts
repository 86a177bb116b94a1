/**
 * The kernel's file system protocol as far as a file system that only reads needs it: ABI 7.31 of
 * linux/fuse.h, little-endian. Numbers of 64 bits are read and written as two halves, because nearly
 * all of them fit a JavaScript number.
 */
import { BLOCK_BYTES } from '../../shared/limits.js';

export const Opcode = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  readlink: 5,
  open: 14,
  read: 15,
  statfs: 17,
  getxattr: 22,
  listxattr: 23,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  readdirplus: 44,
  lseek: 46,
} as const;

/** Flags of INIT that are asked for where the kernel has them. */
export const InitFlag = {
  asyncRead: 1 << 0,
  exportSupport: 1 << 4,
  doReaddirplus: 1 << 13,
  parallelDirops: 1 << 18,
  posixAcl: 1 << 20,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
} as const;

export const OpenFlag = { keepCache: 1 << 1, cacheDir: 1 << 3 } as const;

export const IN_HEADER_BYTES = 40;
const OUT_HEADER_BYTES = 16;
const ATTR_BYTES = 88;
const ENTRY_BYTES = 40 + ATTR_BYTES;
const DIRENT_BYTES = 24;
const TWO_32 = 2 ** 32;
const SECTOR_BYTES = 512;
const KIND_MASK = 0o170000;
const KIND_FILE = 0o100000;

const MAJOR = 7;
const MINOR = 31;
/** The least that a read buffer of ours must hold; nothing is ever written. */
const WRITE_BYTES_MAX = 4096;
export const REQUEST_BYTES = 64 * 1024;
const PAGES_MAX = 256;
const PAGE_BYTES = 4096;
export const READ_BYTES_MAX = PAGES_MAX * PAGE_BYTES;
/** Requests that the kernel makes ahead of anybody waiting. */
const BACKGROUND_MAX = 64;
const CONGESTION = 48;

/** A node of the mount: a slot for the point, and the node's number there. Slot 0 is the mount's own. */
export interface NodeId {
  /** 24 bits. */
  readonly slot: number;
  /** 40 bits. */
  readonly node: number;
}
export const SLOT_MAX = 2 ** 24 - 1;
export const NODE_MAX = 2 ** 40 - 1;

export interface Attributes {
  readonly id: NodeId;
  /** Kind and permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly mtimeS: number;
  readonly mtimeNs: number;
  /** How long the kernel need not ask again, seconds. */
  readonly validS: number;
}

export interface Request {
  readonly opcode: number;
  /** 64 bits as they came. */
  readonly unique: Buffer;
  readonly id: NodeId;
  readonly body: Buffer;
}

/** The requests of a batch as the native part hands it over. */
export function* requestsOf(batch: Buffer): Generator<Request> {
  for (let at = 0; at + IN_HEADER_BYTES <= batch.length;) {
    const length = batch.readUInt32LE(at);
    if (length < IN_HEADER_BYTES || at + length > batch.length) return;
    yield {
      opcode: batch.readUInt32LE(at + 4),
      unique: batch.subarray(at + 8, at + 16),
      id: readId(batch, at + 16),
      body: batch.subarray(at + IN_HEADER_BYTES, at + length),
    };
    at += length;
  }
}

function readId(bytes: Buffer, at: number): NodeId {
  const high = bytes.readUInt32LE(at + 4);
  return { slot: high >>> 8, node: (high & 0xff) * TWO_32 + bytes.readUInt32LE(at) };
}

function writeId(bytes: Buffer, at: number, { slot, node }: NodeId): void {
  bytes.writeUInt32LE(node % TWO_32, at);
  bytes.writeUInt32LE(slot * 256 + Math.floor(node / TWO_32), at + 4);
}

export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * TWO_32 + bytes.readUInt32LE(at);
}

/** A number of either sign, of at most 53 bits. */
function writeInt64(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  bytes.writeUInt32LE(value - high * TWO_32, at);
  bytes.writeInt32LE(high, at + 4);
}

/** What stands before every answer; `error` is a positive errno, 0 when it went well. */
export function encodeHead(unique: Buffer, error: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(OUT_HEADER_BYTES);
  head.writeUInt32LE(OUT_HEADER_BYTES + length, 0);
  head.writeInt32LE(-error, 4);
  unique.copy(head, 8);
  return head;
}

export interface Init {
  readonly major: number;
  readonly minor: number;
  readonly flags: number;
  readonly readaheadBytes: number;
}

export function decodeInit(body: Buffer): Init {
  return {
    major: body.readUInt32LE(0),
    minor: body.readUInt32LE(4),
    readaheadBytes: body.readUInt32LE(8),
    flags: body.readUInt32LE(12),
  };
}

/** @param asked flags that are wanted; those that the kernel lacks are left out */
export function encodeInit(init: Init, asked: number): Buffer {
  const out = Buffer.alloc(64);
  out.writeUInt32LE(MAJOR, 0);
  out.writeUInt32LE(Math.min(MINOR, init.minor), 4);
  out.writeUInt32LE(Math.max(READ_BYTES_MAX, init.readaheadBytes), 8);
  out.writeUInt32LE((init.flags & asked) >>> 0, 12);
  out.writeUInt16LE(BACKGROUND_MAX, 16);
  out.writeUInt16LE(CONGESTION, 18);
  out.writeUInt32LE(WRITE_BYTES_MAX, 20);
  out.writeUInt32LE(1, 24);
  out.writeUInt16LE(PAGES_MAX, 28);
  return out;
}

export function isSpoken({ major, minor }: Init): boolean {
  return major === MAJOR && minor >= 28;
}

function writeAttributes(out: Buffer, at: number, shown: Attributes): void {
  writeId(out, at, shown.id);
  writeInt64(out, at + 8, shown.size);
  writeInt64(out, at + 16, sectorsOf(shown));
  for (let time = 0; time < 3; time += 1) {
    writeInt64(out, at + 24 + time * 8, shown.mtimeS);
    out.writeUInt32LE(shown.mtimeNs, at + 48 + time * 4);
  }
  out.writeUInt32LE(shown.mode, at + 60);
  out.writeUInt32LE(shown.links, at + 64);
  out.writeUInt32LE(shown.uid, at + 68);
  out.writeUInt32LE(shown.gid, at + 72);
  out.writeUInt32LE(shown.rdev, at + 76);
  out.writeUInt32LE(PAGE_BYTES, at + 80);
  out.writeUInt32LE(0, at + 84);
}

/**
 * Sectors that a file seems to take. One that may have holes seems to lack a little, because cp and tar
 * look for holes only in files that do.
 */
function sectorsOf({ size, mode }: Attributes): number {
  if ((mode & KIND_MASK) !== KIND_FILE) return 0;
  const whole = Math.ceil(size / SECTOR_BYTES);
  return size > BLOCK_BYTES ? whole - PAGE_BYTES / SECTOR_BYTES : whole;
}

export function encodeAttributes(shown: Attributes): Buffer {
  const out = Buffer.alloc(16 + ATTR_BYTES);
  writeInt64(out, 0, shown.validS);
  writeAttributes(out, 16, shown);
  return out;
}

/** A name and what stands there; `validS` is how long the name is good for. */
export interface EntryShown {
  readonly attributes: Attributes;
  readonly validS: number;
}

function writeEntry(out: Buffer, at: number, { attributes, validS }: EntryShown): void {
  writeId(out, at, attributes.id);
  out.fill(0, at + 8, at + 40);
  writeInt64(out, at + 16, validS);
  writeInt64(out, at + 24, attributes.validS);
  writeAttributes(out, at + 40, attributes);
}

export function encodeEntry(entry: EntryShown): Buffer {
  const out = Buffer.alloc(ENTRY_BYTES);
  writeEntry(out, 0, entry);
  return out;
}

/** That there is no such name, for `validS` seconds. */
export function encodeNoEntry(validS: number): Buffer {
  const out = Buffer.alloc(ENTRY_BYTES);
  writeInt64(out, 16, validS);
  return out;
}

export function encodeOpened(handle: number, flags: number): Buffer {
  const out = Buffer.alloc(16);
  writeInt64(out, 0, handle);
  out.writeUInt32LE(flags, 8);
  return out;
}

export interface SpaceShown {
  readonly bytes: number;
  readonly files: number;
}

export function encodeSpace({ bytes, files }: SpaceShown): Buffer {
  const out = Buffer.alloc(80);
  writeInt64(out, 0, Math.ceil(bytes / PAGE_BYTES));
  writeInt64(out, 24, files);
  out.writeUInt32LE(PAGE_BYTES, 40);
  out.writeUInt32LE(255, 44);
  out.writeUInt32LE(PAGE_BYTES, 48);
  return out;
}

/** The kernel's answer to a question of a size, or of bytes when there is room. */
export function encodeSize(size: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(size, 0);
  return out;
}

export function encodeOffset(offset: number): Buffer {
  const out = Buffer.alloc(8);
  writeInt64(out, 0, offset);
  return out;
}

/** Packs entries of a folder into an answer of at most so many bytes. */
export class DirectoryPacker {
  readonly #out: Buffer;
  readonly #plus: boolean;
  #length = 0;

  constructor(bytesMax: number, shape: 'names' | 'entries') {
    this.#out = Buffer.allocUnsafe(bytesMax);
    this.#plus = shape === 'entries';
  }

  /** False when it does not fit any more. @param next offset of the entry after this one */
  add(name: Buffer, entry: EntryShown, next: number): boolean {
    const head = this.#plus ? ENTRY_BYTES : 0;
    const length = (head + DIRENT_BYTES + name.length + 7) & ~7;
    const at = this.#length;
    if (at + length > this.#out.length) return false;
    this.#out.fill(0, at + length - 8, at + length);
    if (this.#plus) writeEntry(this.#out, at, entry);
    const dirent = at + head;
    writeId(this.#out, dirent, entry.attributes.id);
    writeInt64(this.#out, dirent + 8, next);
    this.#out.writeUInt32LE(name.length, dirent + 16);
    this.#out.writeUInt32LE(entry.attributes.mode >>> 12, dirent + 20);
    name.copy(this.#out, dirent + DIRENT_BYTES);
    this.#length += length;
    return true;
  }

  get bytes(): Buffer {
    return this.#out.subarray(0, this.#length);
  }
}
