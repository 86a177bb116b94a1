/**
 * New small files of one folder, gathered and made in one call: each costs its system calls and no
 * more. Contents come checked; a file of which a block fails is never made.
 */
import type { ContentFrame } from '../api/content.js';
import { AfterimageError, invariant } from '../errors.js';
import { BLOCK_BYTES, blockCount } from '../limits.js';
import type { NewFile } from '../posix/make-files.js';
import type { NodeVersion } from './node-version.js';
import { checkLength } from './file-writer.js';
import { type MetadataSetter, ownerAndMode } from './metadata.js';
import type { Outcome } from './outcome.js';
import { joinPath } from './set-path.js';

/** Larger files are written one by one. */
export const SMALL_BYTES_MAX = 4 * BLOCK_BYTES;
const ROOM_BYTES = 1024 * 1024;
const FILES_MAX = 512;

export class SmallFiles {
  readonly #setter: MetadataSetter;
  readonly #outcome: Outcome;
  readonly #openFolder: (path: Buffer) => number;
  readonly #room = Buffer.allocUnsafe(ROOM_BYTES);
  #folder: Buffer = Buffer.alloc(0);
  #files: NewFile[] = [];
  #end = 0;

  constructor(context: {
    readonly setter: MetadataSetter;
    readonly outcome: Outcome;
    /** A folder's descriptor, by its path from the set's root. */
    readonly openFolder: (path: Buffer) => number;
  }) {
    this.#setter = context.setter;
    this.#outcome = context.outcome;
    this.#openFolder = context.openFolder;
  }

  /** Whether a file can be made this way: small, below a root, with nothing but the usual metadata. */
  takes(path: Buffer, version: NodeVersion): boolean {
    return (
      version.size <= SMALL_BYTES_MAX &&
      version.xattrs.length === 0 &&
      !this.#setter.inherits &&
      path.includes(0x2f)
    );
  }

  /** Throws what is wrong with the content. The file is made by `flush` at the latest. */
  async add(
    path: Buffer,
    version: NodeVersion,
    frames: AsyncIterable<ContentFrame>,
  ): Promise<void> {
    const cut = path.lastIndexOf(0x2f);
    const folder = path.subarray(0, cut);
    const full = this.#files.length >= FILES_MAX || this.#end + version.size > ROOM_BYTES;
    if (full || !folder.equals(this.#folder)) this.flush();
    this.#folder = folder;
    if (version.size > 0) await this.#gather(version, frames);
    const { owner, mode } = ownerAndMode(this.#setter, version);
    const { mtimeNs, size } = version;
    const name = path.subarray(cut + 1);
    this.#files.push({ name, mode, owner, mtimeNs, offset: this.#end, length: size });
    this.#end += size;
  }

  /** Makes what was gathered; failures are told one by one. */
  flush(): void {
    const files = this.#files;
    if (files.length === 0) return;
    this.#files = [];
    const content = this.#room.subarray(0, this.#end);
    this.#end = 0;
    const pathOf = (file: NewFile | undefined): Buffer =>
      joinPath(this.#folder, file?.name ?? Buffer.alloc(0));
    try {
      const fd = this.#openFolder(this.#folder);
      const { bytesWritten, failed } = this.#setter.posix.makeFiles(fd, files, content);
      this.#outcome.bytesWritten += bytesWritten;
      for (const { index, error } of failed) this.#outcome.fail(pathOf(files[index]), error);
    } catch (error) {
      if (error instanceof AfterimageError) throw error;
      for (const file of files) this.#outcome.fail(pathOf(file), error);
    }
  }

  async #gather(version: NodeVersion, frames: AsyncIterable<ContentFrame>): Promise<void> {
    const room = this.#room.subarray(this.#end, this.#end + version.size);
    let blocks = 0;
    for await (const frame of frames) {
      blocks += this.#take(frame, version, room);
    }
    if (blocks === blockCount(version.size)) return;
    throw new AfterimageError(
      'answer-malformed',
      `${blocks} blocks came where ${blockCount(version.size)} were asked for`,
    );
  }

  /** Puts a frame's bytes in their place; returns how many blocks they are. */
  #take(frame: ContentFrame, { size }: NodeVersion, room: Buffer): number {
    const start = frame.block * BLOCK_BYTES;
    switch (frame.type) {
      case 'failed':
        throw frame.error;
      case 'zero': {
        const end = Math.min(size, start + frame.count * BLOCK_BYTES);
        room.fill(0, Math.min(size, start), end);
        this.#outcome.advance({ bytes: Math.max(0, end - start) });
        return frame.count;
      }
      case 'block':
      case 'run': {
        const { block, bytes } = frame;
        checkLength(size, block, bytes.length);
        invariant(bytes.copy(room, start) === bytes.length, 'blocks lie in their file');
        this.#outcome.advance({ bytes: bytes.length });
        return blockCount(bytes.length);
      }
    }
  }
}
