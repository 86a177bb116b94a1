/**
 * The directory at the end of a zip file, while the file is made: in memory as long as it is small, then
 * in a file without a name, so that an archive of millions of files costs no memory.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { randomUUID } from 'node:crypto';

const MEMORY_BYTES_MAX = 4 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;

export class ZipDirectory {
  #pieces: Buffer[] = [];
  #memoryBytes = 0;
  #fd: number | undefined;
  #spilled = 0;
  entries = 0;

  get bytes(): number {
    return this.#spilled + this.#memoryBytes;
  }

  add(record: Buffer): void {
    this.entries += 1;
    this.#pieces.push(record);
    this.#memoryBytes += record.length;
    if (this.#memoryBytes > MEMORY_BYTES_MAX) this.#spill();
  }

  *read(): Generator<Buffer> {
    for (let at = 0; at < this.#spilled;) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, this.#spilled - at));
      const length = fs.readSync(this.#spillFile(), piece, 0, piece.length, at);
      if (length === 0) throw new Error('the directory of a zip file is shorter than written');
      at += length;
      yield piece.subarray(0, length);
    }
    yield* this.#pieces;
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
    this.#pieces = [];
  }

  #spill(): void {
    const all = Buffer.concat(this.#pieces);
    for (let at = 0; at < all.length;) {
      at += fs.writeSync(this.#spillFile(), all, at, all.length - at, this.#spilled + at);
    }
    this.#spilled += all.length;
    this.#pieces = [];
    this.#memoryBytes = 0;
  }

  #spillFile(): number {
    if (this.#fd !== undefined) return this.#fd;
    const name = path.join(os.tmpdir(), `.afterimage-zip-${randomUUID()}`);
    this.#fd = fs.openSync(name, 'wx+', 0o600);
    fs.unlinkSync(name);
    return this.#fd;
  }
}
