/**
 * Little-endian writing into a growing buffer and bounded reading out of one. Reading past the end
 * or over a bound throws `frame-malformed`; nothing is allocated before its length is checked.
 */
import { AfterimageError } from '../errors.js';

/** Numbers of 64 bits pass through here: a Buffer puts them together from pieces, a digit at a time. */
const wide = new DataView(new ArrayBuffer(8));

export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A view of what was written, valid until the next write or `reset`. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of what was written. */
  copy(): Buffer {
    return Buffer.from(this.view());
  }

  reset(): void {
    this.#length = 0;
  }

  /** Hands over what was written, without a copy, and goes on in `next`, empty. */
  take(next: Buffer): Buffer {
    const written = this.view();
    this.#buffer = next;
    this.#length = 0;
    return written;
  }

  u8(value: number): void {
    this.#length = this.#room(1).writeUInt8(value, this.#length);
  }
  u16(value: number): void {
    this.#length = this.#room(2).writeUInt16LE(value, this.#length);
  }
  u32(value: number): void {
    this.#length = this.#room(4).writeUInt32LE(value, this.#length);
  }
  /** A whole number up to 2^53 − 1, in eight bytes. */
  u53(value: number): void {
    const buffer = this.#room(8);
    buffer.writeUInt32LE(value % 0x1_0000_0000, this.#length);
    this.#length = buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), this.#length + 4);
  }
  i64(value: bigint): void {
    const buffer = this.#room(8);
    wide.setBigInt64(0, value, true);
    buffer.writeUInt32LE(wide.getUint32(0, true), this.#length);
    this.#length = buffer.writeUInt32LE(wide.getUint32(4, true), this.#length + 4);
  }
  bytes(value: Uint8Array): void {
    this.#room(value.length).set(value, this.#length);
    this.#length += value.length;
  }
  /** What `source` holds of [start, end). */
  from(source: ByteWriter, start: number, end: number): void {
    const bytes = source.#buffer;
    this.#length += bytes.copy(this.#room(end - start), this.#length, start, end);
  }
  /** A 16-bit length, then the bytes. */
  short(value: Uint8Array): void {
    this.u16(value.length);
    this.bytes(value);
  }
  /** A 32-bit length, then the bytes. */
  long(value: Uint8Array): void {
    this.u32(value.length);
    this.bytes(value);
  }
  /** Writes `value` over the four bytes at `offset`, which were written before. */
  patchU32(offset: number, value: number): void {
    this.#buffer.writeUInt32LE(value, offset);
  }

  #room(bytes: number): Buffer {
    const needed = this.#length + bytes;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.view().copy(larger);
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}

export class ByteReader {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }
  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }
  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }
  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }
  u53(): number {
    const at = this.#take(8);
    const high = this.#buffer.readUInt32LE(at + 4);
    if (high > 0x1f_ffff) throw malformed('a number exceeds 53 bits');
    return high * 0x1_0000_0000 + this.#buffer.readUInt32LE(at);
  }
  i64(): bigint {
    const at = this.#take(8);
    wide.setUint32(0, this.#buffer.readUInt32LE(at), true);
    wide.setUint32(4, this.#buffer.readUInt32LE(at + 4), true);
    return wide.getBigInt64(0, true);
  }
  /** A view; copy it to keep it. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }
  short(bytesMax: number): Buffer {
    return this.bytes(bounded(this.u16(), bytesMax));
  }
  long(bytesMax: number): Buffer {
    return this.bytes(bounded(this.u32(), bytesMax));
  }
  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} bytes are left over`);
  }

  #take(length: number): number {
    if (length > this.remaining) {
      throw malformed(`${length} bytes wanted, ${this.remaining} are left`);
    }
    const at = this.#offset;
    this.#offset += length;
    return at;
  }
}

export function malformed(message: string, cause?: unknown): AfterimageError {
  return new AfterimageError('frame-malformed', message, { cause });
}

function bounded(length: number, bytesMax: number): number {
  if (length > bytesMax) throw malformed(`a field of ${length} bytes exceeds ${bytesMax}`);
  return length;
}
