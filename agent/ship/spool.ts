/**
 * Frames that memory has no room for, in append-only files (R11). The files have no name from the
 * moment they are made, and their content is encrypted under a key that only this process has: the
 * spool serves one agent process, a crash ends its sync (R12) and leaves nothing behind.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { AfterimageError, asAfterimageError, errnoOf } from '../../shared/errors.js';

const TAG_BYTES = 16;
/**
 * A file is given back to the disk when all its frames are released, so the disk holds at most one
 * file more than `bytesMax`.
 */
const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
const SEGMENT_BYTES_MIN = 1024 * 1024;
const NAME = /^spool-[0-9a-f]{16}$/;

/** Where a frame lies; valid until it is released. */
export interface SpoolPlace {
  readonly segment: Segment;
  readonly offset: number;
  readonly bytes: number;
  readonly counter: number;
}

interface Segment {
  readonly fd: number;
  length: number;
  /** Frames in it that are not released. */
  frames: number;
}

export interface SpoolOptions {
  readonly folder: string;
  /** Bytes that unreleased frames may take on disk. */
  readonly bytesMax: number;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #key = randomBytes(32);
  readonly #segments = new Set<Segment>();
  #current: Segment | undefined;
  #counter = 0;
  #bytes = 0;
  #swept = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Bytes of unreleased frames. */
  get bytes(): number {
    return this.#bytes;
  }

  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes + TAG_BYTES <= this.#options.bytesMax;
  }

  /** Throws `spool-full` when the limit or the disk is reached, `storage-failed` otherwise. */
  append(body: Uint8Array): SpoolPlace {
    if (!this.hasRoom(body.length)) {
      throw new AfterimageError('spool-full', `the spool holds ${this.#bytes} bytes`, {
        facts: { folder: this.#options.folder, bytesMax: this.#options.bytesMax },
      });
    }
    const segment = this.#segmentWithRoom();
    this.#counter += 1;
    const place = {
      segment,
      offset: segment.length,
      bytes: body.length + TAG_BYTES,
      counter: this.#counter,
    };
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(place.counter));
    const sealed = Buffer.concat([cipher.update(body), cipher.final(), cipher.getAuthTag()]);
    try {
      writeWhole(segment.fd, sealed, place.offset);
    } catch (cause) {
      throw this.#writeFailed(cause);
    }
    segment.length += place.bytes;
    segment.frames += 1;
    this.#bytes += place.bytes;
    return place;
  }

  /** Throws `spool-unreadable` when the disk gives back something else, or nothing. */
  read(place: SpoolPlace): Buffer {
    const sealed = Buffer.allocUnsafe(place.bytes);
    try {
      readWhole(place.segment.fd, sealed, place.offset);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(place.counter));
      decipher.setAuthTag(sealed.subarray(place.bytes - TAG_BYTES));
      const body = decipher.update(sealed.subarray(0, place.bytes - TAG_BYTES));
      decipher.final();
      return body;
    } catch (cause) {
      throw new AfterimageError('spool-unreadable', 'a spooled frame cannot be read', {
        cause,
        facts: { folder: this.#options.folder, offset: place.offset },
      });
    }
  }

  release(place: SpoolPlace): void {
    const { segment } = place;
    segment.frames -= 1;
    this.#bytes -= place.bytes;
    if (segment.frames > 0) return;
    if (segment === this.#current) this.#current = undefined;
    this.#segments.delete(segment);
    closeSync(segment.fd);
  }

  close(): void {
    for (const segment of this.#segments) closeSync(segment.fd);
    this.#segments.clear();
    this.#current = undefined;
    this.#bytes = 0;
  }

  #segmentWithRoom(): Segment {
    const { folder, bytesMax } = this.#options;
    const segmentBytes = Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, bytesMax / 8));
    if (this.#current !== undefined && this.#current.length < segmentBytes) return this.#current;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#sweep();
      const path = join(folder, `spool-${randomBytes(8).toString('hex')}`);
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
      const segment = { fd: openSync(path, flags, 0o600), length: 0, frames: 0 };
      unlinkSync(path);
      this.#segments.add(segment);
      this.#current = segment;
      return segment;
    } catch (cause) {
      throw this.#writeFailed(cause);
    }
  }

  /** A process that was killed between making a file and taking its name away left the name. */
  #sweep(): void {
    if (this.#swept) return;
    this.#swept = true;
    const { folder } = this.#options;
    for (const name of readdirSync(folder)) {
      if (NAME.test(name)) unlinkSync(join(folder, name));
    }
  }

  #writeFailed(cause: unknown): AfterimageError {
    const errno = errnoOf(cause);
    if (errno === 'ENOSPC' || errno === 'EDQUOT') {
      return new AfterimageError('spool-full', 'no space for the spool', {
        cause,
        facts: { folder: this.#options.folder },
      });
    }
    return asAfterimageError(cause);
  }
}

function nonceOf(counter: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntLE(counter, 0, 6);
  return nonce;
}

function writeWhole(fd: number, bytes: Uint8Array, offset: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
  }
}

function readWhole(fd: number, bytes: Uint8Array, offset: number): void {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(fd, bytes, done, bytes.length - done, offset + done);
    if (count === 0) throw new Error('the spool ends early');
    done += count;
  }
}
