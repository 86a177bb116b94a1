/**
 * Memory that a thread of the agent and a worker share: what a job reads and what it finds. One job
 * uses a slot at a time. Messages between threads name places in it and carry nothing themselves.
 */
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  FINGERPRINT_BYTES,
  NAME_BYTES_MAX,
  PAGES_PER_BLOCK,
} from '../../shared/limits.js';
import { ROW_BLOCKS } from '../state/block-row.js';

/** Content of one run of blocks, or of many small files. */
export const SLOT_CONTENT_BYTES = ROW_BLOCKS * BLOCK_BYTES;
/** Files of one job. */
export const SLOT_FILES_MAX = 256;

const FILES_BYTES = 64 * 1024;
const PAGES_BYTES = FINGERPRINT_BYTES * PAGES_PER_BLOCK;
/** A file of one block: what the digest row of the state holds of it, behind its length. */
const FILE_ROW_BYTES = 2 + 1 + DIGEST_BYTES + PAGES_BYTES;

const lengths = [
  SLOT_CONTENT_BYTES,
  FILES_BYTES,
  SLOT_FILES_MAX,
  SLOT_FILES_MAX * FILE_ROW_BYTES,
  ROW_BLOCKS * DIGEST_BYTES,
  ROW_BLOCKS * PAGES_BYTES,
  ROW_BLOCKS,
] as const;
const SLOT_BYTES = lengths.reduce((sum, length) => sum + length, 0);

export class Slot {
  readonly memory: SharedArrayBuffer;
  /** Bytes of files. */
  readonly content: Buffer;
  /** Small files to read, as `Posix.readSmall` takes them. */
  readonly files: Buffer;
  /** A code for each small file. */
  readonly codes: Buffer;
  readonly #rows: Buffer;
  /** Of a run: 32 bytes a block. */
  readonly digests: Buffer;
  /** Of a run: 128 bytes a block. */
  readonly fingerprints: Buffer;
  /** Of a run: 1 for a block of zeros. */
  readonly zeros: Buffer;

  /** A new slot, or another thread's view of one. */
  constructor(memory = new SharedArrayBuffer(SLOT_BYTES)) {
    this.memory = memory;
    let at = 0;
    const next = (length: number): Buffer => {
      const part = Buffer.from(memory, at, length);
      at += length;
      return part;
    };
    this.content = next(lengths[0]);
    this.files = next(lengths[1]);
    this.codes = next(lengths[2]);
    this.#rows = next(lengths[3]);
    this.digests = next(lengths[4]);
    this.fingerprints = next(lengths[5]);
    this.zeros = next(lengths[6]);
  }

  /** True while another file with a name as long as can be is sure to fit. */
  static hasRoom(packedBytes: number): boolean {
    return packedBytes + 44 + NAME_BYTES_MAX <= FILES_BYTES;
  }

  /** Of a small file: its digest row in the state; undefined when it is empty or all zero. */
  row(index: number): Buffer | undefined {
    const at = index * FILE_ROW_BYTES;
    const length = this.#rows.readUInt16LE(at);
    return length === 0 ? undefined : this.#rows.subarray(at + 2, at + 2 + length);
  }

  setNoRow(index: number): void {
    this.#rows.writeUInt16LE(0, index * FILE_ROW_BYTES);
  }

  setRow(index: number, digest: Uint8Array, fingerprints: Uint8Array): void {
    let pages = fingerprints.length;
    while (pages > 0 && fingerprints[pages - 1] === 0) pages -= 1;
    const at = index * FILE_ROW_BYTES;
    this.#rows.writeUInt16LE(1 + DIGEST_BYTES + pages, at);
    this.#rows[at + 2] = 1;
    this.#rows.set(digest, at + 3);
    this.#rows.set(fingerprints.subarray(0, pages), at + 3 + DIGEST_BYTES);
  }
}

/** The digest in a row of one block. */
export function digestOfRow(row: Buffer): Buffer {
  return row.subarray(1, 1 + DIGEST_BYTES);
}
