/** A copy of a file that reads only what a source of ranges reports: it is right, or a change was missed. */
import fs from 'node:fs';
import type { BpfSource } from '../../../agent/ranges/bpf-source.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { DataRange } from '../../../shared/posix/posix.js';

const NODE = 7;

export class FollowedCopy {
  readonly #source: BpfSource;
  readonly #path: string;
  #content: Buffer = Buffer.alloc(0);
  basis: string | undefined;
  /** Times that the file had to be read whole. */
  whole = 0;
  bytesRead = 0;

  constructor(source: BpfSource, path: string) {
    this.#source = source;
    this.#path = path;
  }

  /** Looks, reads what is reported and, unless it `failed`, keeps it. */
  async look(result: 'said' | 'failed' = 'said'): Promise<readonly DataRange[] | undefined> {
    const fd = fs.openSync(this.#path, 'r');
    try {
      const look = await this.#source.begin({
        node: NODE,
        fd,
        holds: 'live',
        status: loadPosix().fstat(fd),
        knownSize: this.#content.length,
        basis: this.basis,
      });
      if (look === undefined) this.whole += 1;
      const { ranges, basis } = look ?? { ranges: undefined, basis: undefined };
      if (look !== undefined && ranges === undefined) this.whole += 1;
      const content = this.#read(fd, ranges);
      look?.end(result);
      if (result === 'said') {
        this.#content = content;
        this.basis = basis;
      }
      return ranges;
    } finally {
      fs.closeSync(fd);
    }
  }

  settle(): void {
    this.#source.settle((node) => (node === NODE ? this.basis : undefined));
  }

  /** Offset of the first page that the copy has otherwise than the file; -1 when it has it all. */
  differsAt(): number {
    const file = fs.readFileSync(this.#path);
    if (file.equals(this.#content)) return -1;
    for (let at = 0; at < file.length; at += 4096) {
      if (!file.subarray(at, at + 4096).equals(this.#content.subarray(at, at + 4096))) return at;
    }
    return file.length;
  }

  #read(fd: number, ranges: readonly DataRange[] | undefined): Buffer {
    const { size } = fs.fstatSync(fd);
    const old = this.#content;
    const content = Buffer.alloc(size);
    old.copy(content);
    const both = Math.floor(Math.min(old.length, size) / BLOCK_BYTES) * BLOCK_BYTES;
    const toRead = ranges === undefined ? [{ start: 0, end: size }] : [...ranges];
    if (old.length !== size) toRead.push({ start: both, end: size });
    for (const { start, end } of toRead) {
      if (start < end) this.bytesRead += fs.readSync(fd, content, start, end - start, start);
    }
    return content;
  }
}
