/**
 * Scans of a whole tree, made by native threads ahead of who reads them. Twin of
 * native/src/tree-scan.cc, which says in which order folders come.
 */
import { AfterimageError } from '../errors.js';

export interface TreeScanOptions {
  /** A folder; it may be closed once the scan has begun. */
  readonly rootFd: number;
  readonly threads: number;
  /** Bytes of scans that nobody took yet, at most; a folder in each thread may come on top. */
  readonly bytesMax: number;
  /** Inode numbers, on the root's device, of folders that are not entered. */
  readonly skip: readonly bigint[];
}

/**
 * Folders, parents first and siblings in the order of their names' bytes. No link is followed, no
 * other device or mount entered. `close` must be called.
 */
export interface TreeScan {
  /**
   * The next folder at most `depth` deep (0: the root); deeper ones before it are left out, and not
   * scanned if that can still be spared. Undefined after the last.
   */
  next(depth: number): ScannedFolder | undefined;
  /** Waits for the threads, which stop at once. */
  close(): void;
}

export interface ScannedFolder {
  /** Of this folder within this scan; unique. */
  readonly id: number;
  /** Id of the folder it was found in; undefined for the root. */
  readonly parent: number | undefined;
  readonly depth: number;
  /** In its parent. A view, valid until the next call. */
  readonly name: Buffer;
  readonly ino: bigint;
  /** Clock of the system in ms since the epoch, read before the folder was opened. */
  readonly scannedMs: number;
  /** As of `scanFolderPacked`. A view, valid until the next call; undefined when it failed. */
  readonly packed: Buffer | undefined;
}

/** The class that the addon exports. */
export type NativeTreeScan = new (
  rootFd: number,
  threads: number,
  bytesMax: number,
  skip: Buffer,
) => {
  /** Bytes filled; 0 at the end; negative: the bytes that the next folder needs. */
  take(room: Buffer, depth: number): number;
  close(): void;
};

const HEAD_BYTES = 40;
const ROOM_BYTES = 256 * 1024;
const NO_PARENT = 0xffff_ffff;

/** @throws a system error when the root cannot be opened or no thread started */
export function openTreeScan(native: NativeTreeScan, options: TreeScanOptions): TreeScan {
  const skip = Buffer.alloc(options.skip.length * 8);
  for (const [index, ino] of options.skip.entries()) skip.writeBigUInt64LE(ino, index * 8);
  const scan = new native(options.rootFd, options.threads, options.bytesMax, skip);
  return new BatchReader(scan);
}

class BatchReader implements TreeScan {
  readonly #scan: InstanceType<NativeTreeScan>;
  #room = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #at = 0;
  #end = 0;

  constructor(scan: InstanceType<NativeTreeScan>) {
    this.#scan = scan;
  }

  next(depth: number): ScannedFolder | undefined {
    for (;;) {
      if (this.#at === this.#end && !this.#fill(depth)) return undefined;
      const at = this.#at;
      const room = this.#room;
      const nameAt = at + HEAD_BYTES;
      const scanAt = nameAt + room.readUInt32LE(at + 16);
      const end = scanAt + room.readUInt32LE(at + 20);
      if (end > this.#end) throw new AfterimageError('internal', 'a tree scan is cut short');
      this.#at = end;
      const folderDepth = room.readUInt32LE(at + 8);
      if (folderDepth > depth) continue;
      const parent = room.readUInt32LE(at + 4);
      const failed = room.readUInt32LE(at + 12) !== 0;
      return {
        id: room.readUInt32LE(at),
        parent: parent === NO_PARENT ? undefined : parent,
        depth: folderDepth,
        name: room.subarray(nameAt, scanAt),
        ino: room.readBigUInt64LE(at + 24),
        scannedMs: room.readDoubleLE(at + 32),
        packed: failed ? undefined : room.subarray(scanAt, end),
      };
    }
  }

  close(): void {
    this.#scan.close();
  }

  /** False at the end. */
  #fill(depth: number): boolean {
    // One large folder does not keep its room for the rest of the tree.
    if (this.#room.length > ROOM_BYTES) this.#room = Buffer.allocUnsafeSlow(ROOM_BYTES);
    let filled = this.#scan.take(this.#room, depth);
    if (filled < 0) {
      this.#room = Buffer.allocUnsafeSlow(-filled);
      filled = this.#scan.take(this.#room, depth);
    }
    this.#at = 0;
    this.#end = Math.max(0, filled);
    return filled > 0;
  }
}
