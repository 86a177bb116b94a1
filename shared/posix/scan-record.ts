/**
 * The packed form of a folder scan: records sorted by name, each a status of `STATUS_BYTES`, the
 * name's length (u32) and the name; all integers little-endian. Twin of native/src/status.h: a
 * change of layout changes `LAYOUT_VERSION` in both.
 */
import { AfterimageError } from '../errors.js';
import type { FileStatus, ScanEntry } from './posix.js';

export const LAYOUT_VERSION = 3;
export const STATUS_BYTES = 80;
const HEAD_BYTES = STATUS_BYTES + 4;

const TYPE_MASK = 0o170000;
const TYPE_FOLDER = 0o040000;
const INT64_MAX = 2n ** 63n - 1n;

export function readStatus(view: DataView, at: number): FileStatus {
  return {
    mode: view.getUint32(at, true),
    nlink: view.getUint32(at + 4, true),
    uid: view.getUint32(at + 8, true),
    gid: view.getUint32(at + 12, true),
    rdev: readCount(view, at + 16),
    dev: readCount(view, at + 24),
    ino: view.getBigUint64(at + 32, true),
    size: readCount(view, at + 40),
    blocks: readCount(view, at + 48),
    mtimeNs: view.getBigInt64(at + 56, true),
    ctimeNs: view.getBigInt64(at + 64, true),
    btimeNs: view.getBigInt64(at + 72, true),
  };
}

/** Entries of a packed scan. Throws `internal` when the buffer is not one. */
export function unpackScan(packed: Buffer): ScanEntry[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const entries: ScanEntry[] = [];
  let at = 0;
  while (at < packed.length) {
    if (at + HEAD_BYTES > packed.length) throw cutShort(at);
    const start = at + HEAD_BYTES;
    const end = start + view.getUint32(at + STATUS_BYTES, true);
    if (end > packed.length) throw cutShort(at);
    entries.push({ name: packed.subarray(start, end), status: readStatus(view, at) });
    at = end;
  }
  return entries;
}

/** Packs entries already sorted by name, leaving out `blocks` and the `nlink` of folders. */
export function packScan(entries: readonly ScanEntry[]): Buffer {
  const total = entries.reduce((sum, entry) => sum + HEAD_BYTES + entry.name.length, 0);
  const packed = Buffer.alloc(total);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  for (const { name, status } of entries) {
    const folder = (status.mode & TYPE_MASK) === TYPE_FOLDER;
    writeStatus(view, at, { ...status, blocks: 0, nlink: folder ? 0 : status.nlink });
    view.setUint32(at + STATUS_BYTES, name.length, true);
    packed.set(name, at + HEAD_BYTES);
    at += HEAD_BYTES + name.length;
  }
  return packed;
}

function writeStatus(view: DataView, at: number, status: FileStatus): void {
  view.setUint32(at, status.mode, true);
  view.setUint32(at + 4, status.nlink, true);
  view.setUint32(at + 8, status.uid, true);
  view.setUint32(at + 12, status.gid, true);
  view.setBigUint64(at + 16, BigInt(status.rdev), true);
  view.setBigUint64(at + 24, BigInt(status.dev), true);
  view.setBigUint64(at + 32, status.ino, true);
  view.setBigUint64(at + 40, BigInt(status.size), true);
  view.setBigUint64(at + 48, BigInt(status.blocks), true);
  view.setBigInt64(at + 56, status.mtimeNs, true);
  view.setBigInt64(at + 64, status.ctimeNs, true);
  view.setBigInt64(at + 72, status.btimeNs, true);
}

/** Times outside the years 1678 to 2262 do not fit 64 bits of ns: the nearer end stands in. */
export function clampNs(ns: bigint): bigint {
  if (ns > INT64_MAX) return INT64_MAX;
  return ns < -INT64_MAX - 1n ? -INT64_MAX - 1n : ns;
}

function readCount(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

function cutShort(at: number): AfterimageError {
  return new AfterimageError('internal', `packed scan is cut short at byte ${at}`);
}
