/** A zip file of a part of a point, made while it is read; compressed where that pays. */
import { pipeline, Readable } from 'node:stream';
import { promisify } from 'node:util';
import { crc32, createDeflateRaw, deflateRaw, deflateRawSync } from 'node:zlib';
import type { PointView } from '../../history/set-reader.js';
import { type ArchiveEntry, archiveEntries, fileBytes } from './archive-entries.js';
import { gathered } from './gathered.js';
import { type ArchiveRequest, wrongSize } from './tar-archive.js';
import { ZipDirectory } from './zip-directory.js';
import {
  DEFLATED,
  descriptor,
  directoryRecord,
  fitsZip,
  localHeader,
  STORED,
  type ZipContent,
  type ZipEntry,
  zipEnd,
} from './zip-records.js';

const deflate = promisify(deflateRaw);
/** Files up to this are compressed whole: their sizes stand before them. */
const WHOLE_BYTES_MAX = 1024 * 1024;
/** Up to this it takes less to compress here than to ask another thread to. */
const HERE_BYTES_MAX = 64 * 1024;
/** Less than this is not worth compressing. */
const DEFLATE_BYTES_MIN = 64;
const level = { level: 1 };
/** What is saved on the first piece of a large file decides for all of it. */
const WORTH = 0.95;

/** As `tarArchive`. Pipes, devices, sockets and paths of 64 KiB are left out; the file's comment says how many. */
export function zipArchive(request: ArchiveRequest): AsyncGenerator<Buffer> {
  return gathered(zipPieces(request));
}

async function* zipPieces({ view, paths, onEntry }: ArchiveRequest): AsyncGenerator<Buffer> {
  const directory = new ZipDirectory();
  let offset = 0;
  let leftOut = 0;
  try {
    for (const found of archiveEntries(view, paths)) {
      if (!fitsZip(found.path, found.version)) {
        leftOut += 1;
        continue;
      }
      onEntry?.();
      const start = offset;
      const packed = new PackedEntry(view, found);
      for await (const piece of packed.pieces()) {
        offset += piece.length;
        yield piece;
      }
      directory.add(packed.record(start));
    }
    const { bytes, entries } = directory;
    yield* directory.read();
    const comment =
      leftOut === 0
        ? ''
        : `${leftOut} pipes, devices, sockets and paths of 64 KiB are not in this file.`;
    yield zipEnd({ entries, offset, bytes, comment });
  } finally {
    directory.close();
  }
}

/** One entry: its pieces first, then its record for the directory. */
class PackedEntry {
  readonly #view: PointView;
  readonly #found: ArchiveEntry;
  #entry: ZipEntry;
  #content: ZipContent = { crc: 0, bytes: 0, packedBytes: 0 };
  #streamed = false;

  constructor(view: PointView, found: ArchiveEntry) {
    this.#view = view;
    this.#found = found;
    const { path, version } = found;
    const name = version.kind === 'folder' ? Buffer.concat([path, Buffer.from('/')]) : path;
    this.#entry = { name, version, method: STORED };
  }

  async *pieces(): AsyncGenerator<Buffer> {
    const { version } = this.#found;
    if (version.kind !== 'file')
      yield* this.#plain(version.kind === 'symlink' ? version.target : Buffer.alloc(0));
    else if (version.size <= WHOLE_BYTES_MAX) yield* this.#whole();
    else yield* this.#large();
  }

  record(offset: number): Buffer {
    return directoryRecord(this.#entry, this.#content, { offset, streamed: this.#streamed });
  }

  *#plain(bytes: Buffer): Generator<Buffer> {
    this.#content = { crc: crc32(bytes), bytes: bytes.length, packedBytes: bytes.length };
    yield localHeader(this.#entry, this.#content);
    yield bytes;
  }

  async *#whole(): AsyncGenerator<Buffer> {
    const { version } = this.#found;
    const pieces: Buffer[] = [];
    for await (const piece of fileBytes(this.#view, version)) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    if (bytes.length !== version.size) throw wrongSize(this.#view, version.node);
    const packed = await packedWhole(bytes);
    if (packed.length >= bytes.length) {
      yield* this.#plain(bytes);
      return;
    }
    this.#entry = { ...this.#entry, method: DEFLATED };
    this.#content = { crc: crc32(bytes), bytes: bytes.length, packedBytes: packed.length };
    yield localHeader(this.#entry, this.#content);
    yield packed;
  }

  async *#large(): AsyncGenerator<Buffer> {
    const { version } = this.#found;
    const reading = fileBytes(this.#view, version);
    try {
      const first = await reading.next();
      const piece = first.done === true ? Buffer.alloc(0) : first.value;
      const isWorth = (await deflate(piece, level)).length < piece.length * WORTH;
      this.#streamed = true;
      this.#entry = { ...this.#entry, method: isWorth ? DEFLATED : STORED };
      yield localHeader(this.#entry, undefined);
      const all = this.#counted(piece, reading);
      let packedBytes = 0;
      for await (const packed of isWorth ? deflated(all) : all) {
        packedBytes += packed.length;
        yield packed;
      }
      this.#content = { ...this.#content, packedBytes };
    } finally {
      await reading.return(undefined);
    }
    if (this.#content.bytes !== version.size) throw wrongSize(this.#view, version.node);
    yield descriptor(this.#content);
  }

  async *#counted(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const count = (piece: Buffer): Buffer => {
      const { crc, bytes } = this.#content;
      this.#content = {
        crc: crc32(piece, crc),
        bytes: bytes + piece.length,
        packedBytes: 0,
      };
      return piece;
    };
    yield count(first);
    for await (const piece of rest) yield count(piece);
  }
}

function packedWhole(bytes: Buffer): Buffer | Promise<Buffer> {
  if (bytes.length < DEFLATE_BYTES_MIN) return bytes;
  return bytes.length <= HERE_BYTES_MAX ? deflateRawSync(bytes, level) : deflate(bytes, level);
}

async function* deflated(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const packer = createDeflateRaw(level);
  // A failure of either end destroys the packer, and so is thrown where it is read.
  pipeline(Readable.from(pieces, { objectMode: false }), packer, () => undefined);
  for await (const piece of packer) yield piece as Buffer;
}
