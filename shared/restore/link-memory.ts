/**
 * Remembers where each node was placed, because any node may turn up again under another name. A set
 * may have millions of files, so a place costs about 50 bytes: a number per folder and the name's
 * bytes in large buffers.
 */
import { invariant } from '../errors.js';
import { NAME_BYTES_MAX } from '../limits.js';
import { joinPath } from './set-path.js';

const CHUNK_BYTES = 1024 * 1024;
/** Folder number (u32) and length of the name (u8) come before the name. */
const HEAD_BYTES = 5;

export class LinkMemory {
  readonly #folders: Buffer[] = [];
  readonly #places = new Map<number, number>();
  readonly #chunks: Buffer[] = [];
  #end = 0;
  #folder: Buffer = Buffer.alloc(0);

  /** The path at which the node stands, if it does. */
  find(node: number): Buffer | undefined {
    const place = this.#places.get(node);
    if (place === undefined) return undefined;
    const chunk = this.#chunks[Math.floor(place / CHUNK_BYTES)];
    invariant(chunk !== undefined, 'a place lies in a chunk');
    const at = place % CHUNK_BYTES;
    const folder = this.#folders[chunk.readUInt32LE(at)];
    invariant(folder !== undefined, 'a place names a folder');
    const start = at + HEAD_BYTES;
    return joinPath(folder, Buffer.from(chunk.subarray(start, start + chunk.readUInt8(at + 4))));
  }

  /** The node stands nowhere: what has its name is something else. */
  forget(node: number): void {
    this.#places.delete(node);
  }

  remember(node: number, folder: Buffer, name: Buffer): void {
    invariant(name.length <= NAME_BYTES_MAX, 'a name is short');
    if (this.#folders.length === 0 || !this.#folder.equals(folder)) {
      this.#folders.push(folder);
      this.#folder = folder;
    }
    const chunk = this.#room(HEAD_BYTES + name.length);
    const at = this.#end % CHUNK_BYTES;
    chunk.writeUInt32LE(this.#folders.length - 1, at);
    chunk.writeUInt8(name.length, at + 4);
    chunk.set(name, at + HEAD_BYTES);
    this.#places.set(node, this.#end);
    this.#end += HEAD_BYTES + name.length;
  }

  #room(bytes: number): Buffer {
    const left = this.#chunks.length * CHUNK_BYTES - this.#end;
    if (left < bytes) {
      this.#end = this.#chunks.length * CHUNK_BYTES;
      this.#chunks.push(Buffer.allocUnsafe(CHUNK_BYTES));
    }
    const chunk = this.#chunks.at(-1);
    invariant(chunk !== undefined, 'there is a chunk');
    return chunk;
  }
}
