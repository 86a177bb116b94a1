/**
 * Packs: append-only files of before-images. A record is what some pages of one block held; it is
 * named by (pack, offset) from the index and carries its own CRC, so that a torn or rotten record
 * is found when it is read. docs/design/pack.md has the layout.
 */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError, errnoOf, invariant } from '../../shared/errors.js';
import { syncFolder } from '../../shared/posix/sync-folder.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { unlessAbsent } from '../apply/folders.js';
import { compressBytes, decompressBytes } from './pack-compression.js';

const MAGIC = 0x4b50_4641; // "AFPK"
const HEADER_BYTES = 32;
/** Packs open for reading at a time. */
const READERS_MAX = 64;
/** A pack is closed and a new one begun past this. */
const PACK_BYTES_MAX = 256 * 1024 * 1024;

export interface PackPlace {
  readonly pack: number;
  readonly offset: number;
  /** Bytes of the record, header included. */
  readonly length: number;
}

export interface PackRecord {
  readonly body: number;
  readonly block: number;
  readonly bytes: Uint8Array;
}

export interface PackFile {
  readonly pack: number;
  readonly bytes: number;
  /** Whether it is the one that is appended to. */
  readonly open: boolean;
}

export interface PackTail {
  /** Highest pack that any index row names; 0 for none. */
  readonly newest: number;
  /** End of the last record in it, in bytes. */
  readonly end: number;
}

/** What the index says of the packs. */
export interface KnownPacks {
  /** Undefined when it contradicts itself. */
  readonly tail: PackTail | undefined;
  readonly isNamed: (pack: number) => boolean;
  /** The packs that rows name, with the ends of the last records named. */
  readonly named: () => readonly PackTail[];
  /** Whether it is believed in what it does not name; asked when something is to go. */
  readonly mayRemove: () => boolean;
}

export class Packs {
  readonly #folder: string;
  readonly #core: HashCore;
  #pack: number;
  #fd: number | undefined;
  #end = 0;
  #tail: PackTail;
  readonly #readers = new Map<number, number>();

  /**
   * Opens the packs of a set; what lies beyond the tail is cut off, packs without a row go. Everything
   * stays when the tail is not known, or what knows it is not believed.
   */
  constructor(folder: string, core: HashCore, known: KnownPacks) {
    this.#folder = folder;
    this.#core = core;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#pack = 1;
    const noted = known.tail;
    const isBelieved = noted !== undefined && this.#mayGoBy(noted, known);
    const tail = isBelieved ? noted : this.#tailOnDisk();
    this.#tail = tail;
    this.#pack = Math.max(1, tail.newest);
    if (isBelieved) this.#sweep(tail, known);
    else this.#end = tail.end;
  }

  /** Appends one record. It is durable after `flush`. */
  append(record: PackRecord): PackPlace {
    const compressed = compressBytes(record.bytes);
    const body = compressed ?? record.bytes;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(MAGIC, 0);
    header.writeUInt32LE(compressed === undefined ? 0 : 1, 4);
    header.writeUInt32LE(record.bytes.length, 8);
    header.writeUInt32LE(body.length, 12);
    header.writeUInt32LE(record.block, 16);
    header.writeUIntLE(record.body, 20, 6);
    header.writeUInt32LE(this.#core.crc32c(body, this.#core.crc32c(header.subarray(0, 28))), 28);
    return this.#put(Buffer.concat([header, body]));
  }

  /** Appends a record as `readRecord` gave it. It is durable after `flush`. */
  appendRecord(record: Buffer): PackPlace {
    return this.#put(record);
  }

  /** The newest pack and where its last record ends: what transaction A notes, for the sweep at start. */
  tail(): PackTail {
    return this.#tail;
  }

  /** Makes everything appended so far durable. */
  flush(): void {
    if (this.#fd !== undefined) fs.fdatasyncSync(this.#fd);
  }

  /** The record's bytes. Throws `damaged` when it is not what was appended. */
  read(place: PackPlace, expected: { body: number; block: number }): Buffer {
    const record = this.readRecord(place, expected);
    const body = record.subarray(HEADER_BYTES);
    const rawBytes = record.readUInt32LE(8);
    return record.readUInt32LE(4) === 1 ? decompressBytes(body, rawBytes) : body;
  }

  /** The whole record as it is stored, checked. Throws `damaged`. */
  readRecord(place: PackPlace, expected: { body: number; block: number }): Buffer {
    const record = Buffer.allocUnsafe(place.length);
    const read = fs.readSync(this.#reader(place.pack), record, 0, place.length, place.offset);
    const header = record.subarray(0, HEADER_BYTES);
    const body = record.subarray(HEADER_BYTES);
    const sound =
      read === place.length &&
      place.length > HEADER_BYTES &&
      header.readUInt32LE(0) === MAGIC &&
      header.readUInt32LE(12) === body.length &&
      header.readUInt32LE(16) === expected.block &&
      header.readUIntLE(20, 6) === expected.body &&
      header.readUInt32LE(28) ===
        this.#core.crc32c(body, this.#core.crc32c(header.subarray(0, 28)));
    if (!sound) {
      throw new AfterimageError(
        'damaged',
        `record at ${place.offset} of pack ${place.pack} is damaged`,
        {
          facts: { pack: place.pack, offset: place.offset, block: expected.block },
        },
      );
    }
    return record;
  }

  /** Bytes of all packs on disk. */
  bytes(): number {
    return this.files().reduce((total, { bytes }) => total + bytes, 0);
  }

  /** The packs on disk, by number. The one that is appended to is the last, if it has a file yet. */
  files(): PackFile[] {
    return fs
      .readdirSync(this.#folder)
      .filter((name) => name.endsWith('.pack'))
      .map((name) => {
        const pack = Number.parseInt(name, 10);
        return { pack, bytes: fs.statSync(this.#file(pack)).size, open: pack === this.#pack };
      })
      .sort((a, b) => a.pack - b.pack);
  }

  /** Appends to a new pack from now on, so that what was the newest can be rewritten, too. */
  roll(): void {
    this.#next();
    this.#writer();
    this.#tail = { newest: this.#pack, end: 0 };
  }

  /** Removes a pack that no row names any more. Returns the bytes that it had. */
  remove(pack: number): number {
    invariant(pack !== this.#pack, 'the pack that is appended to stays');
    const fd = this.#readers.get(pack);
    this.#readers.delete(pack);
    if (fd !== undefined) fs.closeSync(fd);
    const { size } = fs.statSync(this.#file(pack));
    fs.unlinkSync(this.#file(pack));
    return size;
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
    for (const fd of this.#readers.values()) fs.closeSync(fd);
    this.#readers.clear();
  }

  #put(record: Buffer): PackPlace {
    if (this.#end > PACK_BYTES_MAX) this.#next();
    const fd = this.#writer();
    const place = { pack: this.#pack, offset: this.#end, length: record.length };
    writeFully(fd, record, this.#end);
    this.#end += place.length;
    this.#tail = { newest: this.#pack, end: this.#end };
    return place;
  }

  #file(pack: number): string {
    return path.join(this.#folder, `${String(pack).padStart(8, '0')}.pack`);
  }

  #writer(): number {
    if (this.#fd === undefined) {
      const { O_RDWR, O_CREAT } = fs.constants;
      this.#fd = fs.openSync(this.#file(this.#pack), O_RDWR | O_CREAT, 0o600);
      syncFolder(this.#folder);
    }
    return this.#fd;
  }

  #reader(pack: number): number {
    const known = this.#readers.get(pack);
    if (known !== undefined) return known;
    const fd = this.#openReader(pack);
    this.#readers.set(pack, fd);
    for (const [oldest, oldFd] of this.#readers) {
      if (this.#readers.size <= READERS_MAX) break;
      this.#readers.delete(oldest);
      fs.closeSync(oldFd);
    }
    return fd;
  }

  /** A pack can be rewritten between the look at its row and this: a reader then looks again (R9). */
  #openReader(pack: number): number {
    try {
      return fs.openSync(this.#file(pack), 'r');
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOENT') throw cause;
      throw new AfterimageError('damaged', `pack ${pack} is missing`, { cause, facts: { pack } });
    }
  }

  #next(): void {
    this.flush();
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
    this.#pack += 1;
    this.#end = 0;
  }

  #tailOnDisk(): PackTail {
    const last = this.files().at(-1);
    return { newest: last?.pack ?? 0, end: last?.bytes ?? 0 };
  }

  /** Whether nothing is to go, or nothing speaks against what says so. */
  #mayGoBy(tail: PackTail, known: KnownPacks): boolean {
    const sizes = new Map(this.files().map(({ pack, bytes }) => [pack, bytes]));
    const isSwept = (sizes.get(tail.newest) ?? 0) <= tail.end;
    if (isSwept && this.#unnamed(tail, known).length === 0) return true;
    // Rows that name what is not there may be rows that named what is.
    const lacks = known.named().some(({ newest, end }) => (sizes.get(newest) ?? 0) < end);
    return !lacks && known.mayRemove();
  }

  #unnamed({ newest }: PackTail, { isNamed }: KnownPacks): number[] {
    return this.files()
      .map(({ pack }) => pack)
      .filter((pack) => pack > newest || (pack < newest && !isNamed(pack)));
  }

  /** Cuts what no row names: the tail of the newest pack, packs after it, and emptied ones (R4). */
  #sweep(tail: PackTail, known: KnownPacks): void {
    const { newest, end } = tail;
    for (const pack of this.#unnamed(tail, known)) fs.unlinkSync(this.#file(pack));
    if (newest === 0) return;
    const isThere = unlessAbsent(() => {
      fs.truncateSync(this.#file(newest), end);
    });
    if (isThere) this.#end = end;
    // Emptied and removed: its number is not given out again.
    else this.#pack = newest + 1;
  }
}

export function writeFully(fd: number, bytes: Uint8Array, offset: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += fs.writeSync(fd, bytes, done, bytes.length - done, offset + done);
  }
}
