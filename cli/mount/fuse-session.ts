/**
 * Serves one mount: takes the kernel's requests from /dev/fuse, asks the file system, and writes the
 * answers. Requests are answered as they become ready, in any order; an answer that fails tells the
 * kernel an errno, and the log why.
 */
import { writevSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import {
  type Attributes,
  decodeInit,
  DirectoryPacker,
  encodeAttributes,
  encodeEntry,
  encodeHead,
  encodeInit,
  encodeNoEntry,
  encodeOffset,
  encodeOpened,
  encodeSize,
  encodeSpace,
  type EntryShown,
  InitFlag,
  isSpoken,
  type NodeId,
  Opcode,
  OpenFlag,
  readUint64,
  type Request,
  REQUEST_BYTES,
  requestsOf,
  type SpaceShown,
} from './fuse-protocol.js';
import { ownAttributes } from './node-attributes.js';
import type { MountBinding, RequestReader } from './native-mount.js';
import { FuseError, toErrno } from './trouble.js';

export interface NamedEntry {
  readonly name: Buffer;
  readonly entry: EntryShown;
}

/** A folder that somebody reads through. */
export interface OpenFolder {
  /** Whether the kernel may keep what it read for everybody after. */
  readonly isLasting: boolean;
  /** Entries from this position on, at least one unless the folder ends there. */
  entriesFrom(
    position: number,
  ): Promise<{ readonly at: number; readonly list: readonly NamedEntry[] }>;
}

/** What is mounted. Failures are `FuseError`s, or errors of the catalogue, which become an errno. */
export interface MountedTree {
  /** Undefined when there is no such name. */
  lookup(parent: NodeId, name: Buffer): Promise<EntryShown | undefined>;
  /** How long a name that is not there need not be asked for again in this folder, seconds. */
  absentValidS(parent: NodeId): number;
  attributes(id: NodeId): Promise<Attributes>;
  readLink(id: NodeId): Promise<Buffer>;
  openFolder(id: NodeId): Promise<OpenFolder>;
  /** Bytes [offset, offset + length), cut at the end of the file; good until the next turn. */
  read(id: NodeId, range: { readonly offset: number; readonly length: number }): Promise<Buffer[]>;
  /** Offset of the next data or hole, as lseek(2) has it. */
  seek(
    id: NodeId,
    from: { readonly offset: number; readonly what: 'data' | 'hole' },
  ): Promise<number>;
  xattr(id: NodeId, name: Buffer): Promise<Buffer | undefined>;
  xattrNames(id: NodeId): Promise<Buffer[]>;
  space(): Promise<SpaceShown>;
}

export interface FuseSessionOptions {
  readonly fd: number;
  readonly tree: MountedTree;
  readonly binding: MountBinding;
  readonly log: Log;
  /** Access control lists decide, as on the host: only where modes decide as well. */
  readonly accessLists: 'checked' | 'shown';
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const { ENODATA, ENOENT, ENOSYS, ENXIO, ERANGE, EPROTO } = constants.errno;
const INIT_FLAGS =
  InitFlag.asyncRead |
  InitFlag.exportSupport |
  InitFlag.doReaddirplus |
  InitFlag.parallelDirops |
  InitFlag.maxPages |
  InitFlag.cacheSymlinks;
const nothing: readonly Buffer[] = [];
const nothingNamed = Buffer.alloc(0);
const dots = [Buffer.from('.'), Buffer.from('..')];
/** What the kernel is told where it does not listen. */
const unknownId: NodeId = { slot: 0, node: 0xffff_ffff };
const dotAttributes = { kind: 'folder', timeMs: 0, validS: 0 } as const;

export class FuseSession {
  readonly #options: FuseSessionOptions;
  readonly #reader: RequestReader;
  readonly #folders = new Map<number, { readonly id: NodeId; readonly folder: OpenFolder }>();
  #nextFolder = 1;
  #end: () => void = () => undefined;
  /** Resolves once the kernel has no more requests: it was unmounted. */
  readonly ended: Promise<void>;

  constructor(options: FuseSessionOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#reader = options.binding.readRequests(options.fd, REQUEST_BYTES, () => {
      this.#takeAll();
    });
  }

  /** Nothing is answered afterwards. */
  close(): void {
    this.#reader.close();
    this.#end();
  }

  #takeAll(): void {
    for (;;) {
      const batch = this.#reader.take();
      if (batch === null) {
        this.close();
        return;
      }
      if (batch === undefined) return;
      for (const request of requestsOf(batch)) void this.#serve(request);
    }
  }

  async #serve(request: Request): Promise<void> {
    let parts: readonly Buffer[] | undefined;
    try {
      parts = await this.#answer(request);
    } catch (error) {
      const errno = toErrno(error);
      if (!(error instanceof FuseError)) this.#complain(request, error);
      this.#reply(request, errno, nothing);
      return;
    }
    if (parts !== undefined) this.#reply(request, 0, parts);
  }

  #complain({ opcode, id }: Request, error: unknown): void {
    this.#options.log.error('a request failed', error, { opcode, node: id.node });
  }

  #reply({ unique }: Request, error: number, parts: readonly Buffer[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    try {
      writevSync(this.#options.fd, [encodeHead(unique, error, length), ...parts]);
    } catch (cause) {
      // ENOENT: whoever asked was interrupted; ENODEV: unmounted meanwhile.
      const errno = errnoOf(cause);
      if (errno === 'ENOENT' || errno === 'ENODEV') return;
      this.#options.log.error('an answer was refused', cause, { error, length });
    }
  }

  /** Undefined for requests that have no answer. */
  async #answer(request: Request): Promise<readonly Buffer[] | undefined> {
    const { tree } = this.#options;
    const { id, body } = request;
    switch (request.opcode) {
      case Opcode.init:
        return this.#init(body);
      case Opcode.forget:
      case Opcode.batchForget:
        return undefined;
      case Opcode.destroy:
        return nothing;
      case Opcode.lookup:
        return [await this.#lookup(id, body)];
      case Opcode.getattr:
        return [encodeAttributes(await tree.attributes(id))];
      case Opcode.readlink:
        return [await tree.readLink(id)];
      case Opcode.read: {
        const range = { offset: readUint64(body, 8), length: body.readUInt32LE(16) };
        return await tree.read(id, range);
      }
      case Opcode.opendir:
        return [await this.#openFolder(id)];
      case Opcode.readdir:
        return [await this.#readFolder(body, 'names')];
      case Opcode.readdirplus:
        return [await this.#readFolder(body, 'entries')];
      case Opcode.releasedir:
        this.#folders.delete(readUint64(body, 0));
        return nothing;
      case Opcode.statfs:
        return [encodeSpace(await tree.space())];
      case Opcode.getxattr:
        return [await this.#xattr(id, body)];
      case Opcode.listxattr:
        return [await this.#xattrNames(id, body)];
      case Opcode.lseek:
        return [await this.#seek(id, body)];
      default:
        // Of opening files, too: then the kernel opens by itself and keeps what was read.
        throw new FuseError(ENOSYS);
    }
  }

  #init(body: Buffer): readonly Buffer[] {
    const init = decodeInit(body);
    if (!isSpoken(init)) {
      this.#options.log.error(
        `the kernel speaks FUSE ${init.major}.${init.minor}, not 7.28 or later`,
      );
      throw new FuseError(EPROTO);
    }
    const lists = this.#options.accessLists === 'checked' ? InitFlag.posixAcl : 0;
    return [encodeInit(init, INIT_FLAGS | lists)];
  }

  async #lookup(parent: NodeId, body: Buffer): Promise<Buffer> {
    const { tree } = this.#options;
    const entry = await tree.lookup(parent, body.subarray(0, body.length - 1));
    return entry === undefined ? encodeNoEntry(tree.absentValidS(parent)) : encodeEntry(entry);
  }

  async #openFolder(id: NodeId): Promise<Buffer> {
    const folder = await this.#options.tree.openFolder(id);
    const handle = this.#nextFolder;
    this.#nextFolder += 1;
    this.#folders.set(handle, { id, folder });
    return encodeOpened(handle, folder.isLasting ? OpenFlag.keepCache | OpenFlag.cacheDir : 0);
  }

  /** The folder itself and the one above come first, as everywhere. */
  async #readFolder(body: Buffer, shape: 'names' | 'entries'): Promise<Buffer> {
    const open = this.#folders.get(readUint64(body, 0));
    if (open === undefined) throw new FuseError(ENOENT);
    const packer = new DirectoryPacker(body.readUInt32LE(16), shape);
    let position = readUint64(body, 8);
    for (; position < dots.length; position += 1) {
      const id = position === 0 ? open.id : unknownId;
      const entry = { attributes: ownAttributes(id, dotAttributes), validS: 0 };
      if (!packer.add(dots[position] ?? nothingNamed, entry, position + 1)) return packer.bytes;
    }
    for (;;) {
      const { at, list } = await open.folder.entriesFrom(position - dots.length);
      if (position - dots.length - at >= list.length) return packer.bytes;
      for (let index = position - dots.length - at; index < list.length; index += 1) {
        const found = list[index];
        if (found === undefined || !packer.add(found.name, found.entry, position + 1)) {
          return packer.bytes;
        }
        position += 1;
      }
      // What comes next may have to be fetched: nobody has to wait for it who has something.
      if (packer.bytes.length > 0) return packer.bytes;
    }
  }

  async #xattr(id: NodeId, body: Buffer): Promise<Buffer> {
    const name = body.subarray(8, body.length - 1);
    const value = await this.#options.tree.xattr(id, name);
    if (value === undefined) throw new FuseError(ENODATA);
    return sized(value, body.readUInt32LE(0));
  }

  async #xattrNames(id: NodeId, body: Buffer): Promise<Buffer> {
    const names = await this.#options.tree.xattrNames(id);
    const zero = Buffer.alloc(1);
    return sized(Buffer.concat(names.flatMap((name) => [name, zero])), body.readUInt32LE(0));
  }

  async #seek(id: NodeId, body: Buffer): Promise<Buffer> {
    const whence = body.readUInt32LE(16);
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FuseError(ENXIO);
    const what = whence === SEEK_DATA ? 'data' : 'hole';
    return encodeOffset(await this.#options.tree.seek(id, { offset: readUint64(body, 8), what }));
  }
}

/** Size alone when none was offered. */
function sized(value: Buffer, room: number): Buffer {
  if (room === 0) return encodeSize(value.length);
  if (value.length > room) throw new FuseError(ERANGE);
  return value;
}
