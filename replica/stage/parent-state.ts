/** The parent point's content, for records that build on it. Everything read is checked. */
import { BLOCK_BYTES, blockLength } from '../../shared/limits.js';
import { newestPoint, nodeAt, type NodeRow } from '../index/nodes.js';
import { Patience } from '../history/patience.js';
import {
  type BlockSource,
  isUnreadable,
  newestDigest,
  readBlockAt,
} from '../history/read-block.js';

export class ParentState {
  readonly #source: BlockSource;
  #cached: { readonly body: number; readonly block: number; readonly bytes: Buffer } | undefined;

  constructor(source: BlockSource) {
    this.#source = source;
  }

  node(node: number): NodeRow | undefined {
    return nodeAt(this.#source.index, node, newestPoint(this.#source.index));
  }

  /** A block of a file with its digest; undefined when the file has no such block, or it cannot be read. */
  async readBlock(
    node: number,
    block: number,
  ): Promise<{ bytes: Buffer; digest: Buffer } | undefined> {
    const row = this.node(node);
    if (row?.body == null) return undefined;
    const length = blockLength(row.size, block);
    if (length === 0) return undefined;
    const bytes = await this.#read(row.body, { block, size: row.size });
    if (bytes === undefined) return undefined;
    return { bytes, digest: newestDigest(this.#source, { body: row.body, block, length }) };
  }

  /** Bytes of a file; undefined when the range is not all there, or cannot be read. */
  async readRange(
    node: number,
    range: { offset: number; length: number },
  ): Promise<Buffer | undefined> {
    const row = this.node(node);
    if (row?.body == null || range.offset + range.length > row.size) return undefined;
    const bytes = Buffer.allocUnsafe(range.length);
    let done = 0;
    while (done < range.length) {
      const offset = range.offset + done;
      const block = Math.floor(offset / BLOCK_BYTES);
      const from = offset - block * BLOCK_BYTES;
      const piece = await this.#read(row.body, { block, size: row.size });
      if (piece === undefined) return undefined;
      done += piece.copy(bytes, done, from, from + range.length - done);
    }
    return bytes;
  }

  /** Undefined for stored bytes that are gone or wrong: the agent sends what it has. */
  async #read(
    body: number,
    at: { readonly block: number; readonly size: number },
  ): Promise<Buffer | undefined> {
    if (this.#cached?.body === body && this.#cached.block === at.block) return this.#cached.bytes;
    const point = newestPoint(this.#source.index);
    try {
      const bytes = await new Patience().read(() =>
        readBlockAt(this.#source, { body, point, ...at }),
      );
      this.#cached = { body, block: at.block, bytes };
      return bytes;
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  }

  /** Forgets what was read; call when the parent changes. */
  forget(): void {
    this.#cached = undefined;
  }
}
