/** How a file's status and identity are kept in the state database: fixed fields, little-endian. */
import type { FileStatus } from '../../shared/posix/posix.js';
import type { NodeKind } from '../../shared/protocol/records.js';

export const STATUS_BYTES = 48;
export const IDENTITY_BYTES = 20;

const TYPE_MASK = 0o170000;
const kindOfType: Readonly<Record<number, NodeKind>> = {
  0o100000: 'file',
  0o040000: 'folder',
  0o120000: 'symlink',
  0o010000: 'fifo',
  0o140000: 'socket',
  0o020000: 'char',
  0o060000: 'block',
};

/** Undefined for types that have no name here. */
export function kindOf(mode: number): NodeKind | undefined {
  return kindOfType[mode & TYPE_MASK];
}

/** The part of a status that is kept. */
export interface KeptStatus {
  /** With type bits. */
  readonly mode: number;
  /** 0 for folders, whose link count follows from their content. */
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Into `room` when given, else a new buffer. */
export function encodeStatus(status: FileStatus, room = Buffer.allocUnsafe(STATUS_BYTES)): Buffer {
  const folder = (status.mode & TYPE_MASK) === 0o040000;
  room.writeUInt32LE(status.mode, 0);
  room.writeUInt32LE(folder ? 0 : status.nlink, 4);
  room.writeUInt32LE(status.uid, 8);
  room.writeUInt32LE(status.gid, 12);
  room.writeDoubleLE(status.rdev, 16);
  // A folder's size says how its file system stores it: nothing that is carried.
  room.writeDoubleLE(folder ? 0 : status.size, 24);
  room.writeBigInt64LE(status.mtimeNs, 32);
  room.writeBigInt64LE(status.ctimeNs, 40);
  return room;
}

export function decodeStatus(bytes: Buffer): KeptStatus {
  return {
    mode: bytes.readUInt32LE(0),
    nlink: bytes.readUInt32LE(4),
    uid: bytes.readUInt32LE(8),
    gid: bytes.readUInt32LE(12),
    rdev: bytes.readDoubleLE(16),
    size: bytes.readDoubleLE(24),
    mtimeNs: bytes.readBigInt64LE(32),
    ctimeNs: bytes.readBigInt64LE(40),
  };
}

export function encodeIdentity(
  status: Pick<FileStatus, 'ino' | 'btimeNs'>,
  device: number,
  room = Buffer.allocUnsafe(IDENTITY_BYTES),
): Buffer {
  room.writeUInt32LE(device, 0);
  room.writeBigUInt64LE(status.ino, 4);
  room.writeBigInt64LE(status.btimeNs, 12);
  return room;
}

/** What a file's content is remembered by when its sync was lost (R12): identity, size and times. */
export function provisionalKey(identity: Buffer, status: Buffer): Buffer {
  return Buffer.concat([identity, status.subarray(24, STATUS_BYTES)]);
}
