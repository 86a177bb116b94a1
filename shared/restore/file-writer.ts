/**
 * Puts blocks of one file in their place. They come checked against their digests; zero pages of a new file are not written, so that holes come back; in a file that is there only
 * the pages that differ are written.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import type { ContentFrame } from '../api/content.js';
import { AfterimageError } from '../errors.js';
import { BLOCK_BYTES, blockCount, blockLength, PAGE_BYTES } from '../limits.js';

const NEW_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const PRESENT_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const zeroBlock = Buffer.alloc(BLOCK_BYTES);
const zeroPage = zeroBlock.subarray(0, PAGE_BYTES);
const present = Buffer.allocUnsafe(BLOCK_BYTES);

export class FileWriter {
  readonly fd: number;
  readonly #size: number;
  readonly #state: 'new' | 'present';
  #localSize: number;
  #blocks = 0;
  #bytesWritten = 0;
  #failed: { first: AfterimageError; count: number } | undefined;

  /** Throws system errors; a file that is there must be one. */
  constructor(file: {
    readonly path: Buffer;
    readonly size: number;
    readonly state: 'new' | 'present';
  }) {
    this.#size = file.size;
    this.#state = file.state;
    this.fd = openSync(file.path, file.state === 'new' ? NEW_FLAGS : PRESENT_FLAGS, 0o600);
    const status = fstatSync(this.fd);
    this.#localSize = status.size;
    if (!status.isFile()) {
      closeSync(this.fd);
      throw new AfterimageError('storage-failed', 'the file became something else meanwhile');
    }
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  take(frame: ContentFrame): void {
    switch (frame.type) {
      case 'block':
        this.#check(frame.block, frame.bytes);
        this.#writeRun(frame.bytes, frame.block);
        return;
      case 'run':
        this.#check(frame.block, frame.bytes);
        this.#writeRun(frame.bytes, frame.block);
        return;
      case 'zero':
        this.#blocks += frame.count;
        for (let block = frame.block; block < frame.block + frame.count; block += 1) {
          if (block * BLOCK_BYTES >= this.#localSize) return;
          this.#write(zeroBlock.subarray(0, blockLength(this.#size, block)), block);
        }
        return;
      case 'failed':
        this.#blocks += 1;
        this.#failed = {
          first: this.#failed?.first ?? frame.error,
          count: (this.#failed?.count ?? 0) + 1,
        };
    }
  }

  /** Throws the first failed block's error, or `answer-malformed` when blocks are missing. */
  checkWhole(blocks: number): void {
    if (this.#failed !== undefined) {
      const { first, count } = this.#failed;
      const facts = { ...first.facts, failedBlocks: count };
      throw new AfterimageError(first.code, first.message, { cause: first, facts });
    }
    if (this.#blocks === blocks) return;
    throw new AfterimageError(
      'answer-malformed',
      `${this.#blocks} blocks came where ${blocks} were asked for`,
    );
  }

  /** Gives the file its size: cuts it, or ends it in a hole. */
  setSize(): void {
    if (this.#localSize !== this.#size) ftruncateSync(this.fd, this.#size);
    this.#localSize = this.#size;
  }

  close(): void {
    closeSync(this.fd);
  }

  #check(block: number, bytes: Buffer): void {
    checkLength(this.#size, block, bytes.length);
    this.#blocks += blockCount(bytes.length);
  }

  #writeRun(run: Buffer, block: number): void {
    if (this.#state === 'new') {
      this.#writeNew(run, block * BLOCK_BYTES);
      return;
    }
    for (let at = 0; at < run.length; at += BLOCK_BYTES) {
      this.#write(run.subarray(at, at + BLOCK_BYTES), block + at / BLOCK_BYTES);
    }
  }

  /** Where nothing was written yet: all but the pages of zeros, in as few calls as that takes. */
  #writeNew(bytes: Buffer, offset: number): void {
    for (let start = 0; start < bytes.length;) {
      if (isZeroPage(bytes, start)) {
        start += PAGE_BYTES;
        continue;
      }
      let end = start + PAGE_BYTES;
      while (end < bytes.length && !isZeroPage(bytes, end)) end += PAGE_BYTES;
      this.#writeAll(bytes.subarray(start, end), offset + start);
      start = end;
    }
  }

  #write(bytes: Buffer, block: number): void {
    const offset = block * BLOCK_BYTES;
    const old = this.#oldBytes(bytes.length, offset);
    let start = 0;
    while (start < bytes.length) {
      if (isSamePage(bytes, old, start)) {
        start += PAGE_BYTES;
        continue;
      }
      let end = start + PAGE_BYTES;
      while (end < bytes.length && !isSamePage(bytes, old, end)) end += PAGE_BYTES;
      this.#writeAll(bytes.subarray(start, end), offset + start);
      start = end;
    }
  }

  /** What the file reads as now: past its end, zeros. */
  #oldBytes(length: number, offset: number): Buffer {
    if (this.#state === 'new' || offset >= this.#localSize) return zeroBlock;
    let filled = 0;
    while (filled < length) {
      const read = readSync(this.fd, present, filled, length - filled, offset + filled);
      if (read === 0) break;
      filled += read;
    }
    present.fill(0, filled);
    return present;
  }

  #writeAll(bytes: Buffer, offset: number): void {
    let written = 0;
    while (written < bytes.length) {
      written += writeSync(this.fd, bytes, written, bytes.length - written, offset + written);
    }
    this.#bytesWritten += bytes.length;
    this.#localSize = Math.max(this.#localSize, offset + bytes.length);
  }
}

/** Whole blocks from `block` on, of a file of `size` bytes. Throws `answer-malformed`. */
export function checkLength(size: number, block: number, length: number): void {
  const blocks = blockCount(length);
  if (length === Math.min(size - block * BLOCK_BYTES, blocks * BLOCK_BYTES)) return;
  throw new AfterimageError('answer-malformed', `block ${block} arrived cut off or too long`, {
    facts: { block, bytes: length },
  });
}

/** Nearly every page that is not zero says so in its first byte. */
function isZeroPage(bytes: Buffer, start: number): boolean {
  return bytes[start] === 0 && isSamePage(bytes, zeroPage, start, 0);
}

function isSamePage(bytes: Buffer, old: Buffer, start: number, oldStart = start): boolean {
  const length = Math.min(bytes.length - start, PAGE_BYTES);
  return bytes.compare(old, oldStart, oldStart + length, start, start + length) === 0;
}
