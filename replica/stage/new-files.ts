/**
 * Bodies being built: `new/<node>`, written block by block as records arrive (R5). Files are
 * sparse: zero blocks are never written. Blocks are written many in a call while more records are
 * looked at; whatever needs one of them waits with `settle`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError, errnoOf, messageOf } from '../../shared/errors.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import type { NewPiece } from '../../shared/posix/new-files.js';
import type { Posix } from '../../shared/posix/posix.js';
import { readFully } from '../history/read-block.js';
import { writeFully } from '../history/packs.js';
import { unlessAbsent } from '../apply/folders.js';

const OPEN_MAX = 64;
/** Pieces are handed over when there are so many of them, or so many bytes. */
const BATCH_PIECES = 48;
const BATCH_BYTES = 256 * 1024;
/** More bytes than these are not kept waiting. */
const PENDING_BYTES_MAX = 4 * 1024 * 1024;
const FLAGS = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW;

export class NewFiles {
  readonly #folder: string;
  readonly #posix: Posix;
  readonly #anchor: number;
  readonly #open = new Map<number, number>();
  #writtenBytes = 0;
  #batch: NewPiece[] = [];
  #batchBytes = 0;
  /** Nodes with pieces that are not written yet. */
  readonly #pending = new Set<number>();
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #failure: NodeJS.ErrnoException | undefined;

  constructor(folder: string, posix: Posix) {
    this.#folder = folder;
    this.#posix = posix;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#anchor = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  }

  /** Bytes written for this sync, those that this process wrote over too. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** An earlier process wrote so much. */
  writtenBefore(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  path(node: number): string {
    return path.join(this.#folder, String(node));
  }

  /** Whether there are pieces that are not written yet. */
  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** Whether so much is not written yet that it is time to `settle`. */
  get isFull(): boolean {
    return this.#pendingBytes >= PENDING_BYTES_MAX;
  }

  /** Whether pieces of the file are not written yet: `settle` before anything but `put`. */
  isPending(node: number): boolean {
    return this.#pending.has(node);
  }

  /**
   * Writes a piece soon; with `whole`, it is all of the file. The bytes stay as they are until `settle`
   * resolves, which tells of failures.
   */
  put(piece: NewPiece): void {
    this.release(piece.node);
    this.#pending.add(piece.node);
    this.#batch.push(piece);
    this.#batchBytes += piece.bytes.length;
    this.#pendingBytes += piece.bytes.length;
    this.#writtenBytes += piece.bytes.length;
    if (this.#batch.length >= BATCH_PIECES || this.#batchBytes >= BATCH_BYTES) this.#hand();
  }

  /**
   * Resolves when all is written. Throws `record-refused` where the file system can have no bytes, and
   * storage errors: what was put since the last call is then to be put again.
   */
  async settle(): Promise<void> {
    this.#hand();
    await this.#writing;
    this.#pending.clear();
    this.#pendingBytes = 0;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) return;
    unlessTooLarge(Number(failure.path), () => {
      throw failure;
    });
  }

  /** Waits for what is under way, whatever becomes of it: it is not wanted any more, or comes again. */
  async abandon(): Promise<void> {
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#writing;
    this.#pending.clear();
    this.#pendingBytes = 0;
    this.#failure = undefined;
  }

  /** One call after the other: pieces of a file keep their order. */
  #hand(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#writing = (this.#writing ?? Promise.resolve())
      .then(() =>
        this.#failure === undefined ? this.#posix.writeNew(this.#anchor, batch) : undefined,
      )
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(messageOf(error));
      });
  }

  /** Throws `record-refused` where the file system can have no bytes. */
  write(node: number, block: number, bytes: Uint8Array): void {
    unlessTooLarge(node, () => {
      writeFully(this.#descriptor(node), bytes, block * BLOCK_BYTES);
      this.#writtenBytes += bytes.length;
    });
  }

  /** Makes a block zero, with what it held past its end when it was longer: the file may grow again. */
  zero(node: number, block: number): void {
    const length = Math.min(BLOCK_BYTES, (this.size(node) ?? 0) - block * BLOCK_BYTES);
    if (length > 0) this.write(node, block, Buffer.alloc(length));
  }

  read(node: number, at: { readonly block: number; readonly length: number }): Buffer {
    const bytes = Buffer.alloc(at.length);
    readFully(this.#descriptor(node), bytes, at.block * BLOCK_BYTES);
    return bytes;
  }

  /**
   * Gives the file its final size, making it when no block was written. Throws `record-refused` when
   * the file system can have no such file.
   */
  finish(node: number, size: number): void {
    unlessTooLarge(node, () => {
      fs.ftruncateSync(this.#descriptor(node), size);
    });
    this.release(node);
  }

  /** Throws `record-refused` when the file system can have no file of this size. */
  checkSize(node: number, size: number): void {
    this.finish(node, size);
    this.remove(node);
  }

  /** Bytes of the file; undefined when no block of it was written. */
  size(node: number): number | undefined {
    return fs.lstatSync(this.path(node), { throwIfNoEntry: false })?.size;
  }

  remove(node: number): void {
    this.release(node);
    unlessAbsent(() => {
      fs.unlinkSync(this.path(node));
    });
  }

  release(node: number): void {
    const fd = this.#open.get(node);
    if (fd === undefined) return;
    this.#open.delete(node);
    fs.closeSync(fd);
  }

  /** Call when everything is settled. */
  close(): void {
    for (const fd of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
    fs.closeSync(this.#anchor);
  }

  #descriptor(node: number): number {
    const known = this.#open.get(node);
    if (known !== undefined) return known;
    const fd = fs.openSync(this.path(node), FLAGS, 0o600);
    this.#open.set(node, fd);
    for (const [oldest, oldFd] of this.#open) {
      if (this.#open.size <= OPEN_MAX) break;
      this.#open.delete(oldest);
      fs.closeSync(oldFd);
    }
    return fd;
  }
}

/** An agent's file system may hold larger files than ours: that is its sync's fault, not our disk's. */
function unlessTooLarge(node: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (errnoOf(error) !== 'EFBIG') throw error;
    throw new AfterimageError(
      'record-refused',
      `node ${node} is larger than a file can be on the replica's file system`,
      { cause: error, facts: { node } },
    );
  }
}
