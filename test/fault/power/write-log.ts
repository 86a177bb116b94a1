/** Reads what recorder.c wrote: the writes, flushes and marks of a block device, in order. */
import fs from 'node:fs';

export type LogEntry =
  | {
      readonly type: 'write';
      readonly offset: number;
      readonly length: number;
      readonly at: number;
    }
  | { readonly type: 'flush' }
  | { readonly type: 'mark'; readonly text: string };

const HEADER_BYTES = 24;
const types = ['', 'write', 'flush', 'mark'];

export class WriteLog {
  readonly entries: readonly LogEntry[];
  readonly #fd: number;

  /** Throws for a log that does not end with an entry. */
  constructor(file: string) {
    this.#fd = fs.openSync(file, 'r');
    const { size } = fs.fstatSync(this.#fd);
    const entries: LogEntry[] = [];
    for (let at = 0; at < size;) {
      const header = this.#read(at, HEADER_BYTES);
      const [type, offset, length] = [0, 8, 16].map((from) =>
        Number(header.readBigUInt64LE(from)),
      ) as [number, number, number];
      at += HEADER_BYTES;
      entries.push(this.#entry(types[type] ?? '', { offset, length, at }));
      at += length;
    }
    this.entries = entries;
  }

  /** The bytes of a write. */
  bytes(write: LogEntry & { type: 'write' }): Buffer {
    return this.#read(write.at, write.length);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  #entry(type: string, where: { offset: number; length: number; at: number }): LogEntry {
    if (type === 'write') return { type, ...where };
    if (type === 'flush') return { type };
    if (type === 'mark') return { type, text: this.#read(where.at, where.length).toString('utf8') };
    throw new Error('the log holds an unknown entry');
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const read = fs.readSync(this.#fd, bytes, 0, length, at);
    if (read !== length) throw new Error(`the log ends at ${at + read}, within an entry`);
    return bytes;
  }
}
