/** One point of a memory set, as readers see it. */
import { AfterimageError } from '../../../shared/errors.js';
import type { HashCore } from '../../../shared/hash/hash-core.js';
import { BLOCK_BYTES, blockCount, DIGEST_BYTES } from '../../../shared/limits.js';
import type {
  BlockDigestRun,
  NodeVersion,
  PointView,
  TreeEntry,
  WalkedEntry,
} from '../../../replica/history/set-reader.js';
import type { MemoryTree } from './memory-tree.js';

const PIECE_BYTES = 1024 * 1024;

export class MemoryView implements PointView {
  readonly set: string;
  readonly point: number;
  readonly close: () => void;
  readonly #tree: MemoryTree;
  readonly #hash: HashCore;
  readonly #isDamaged: (node: number, block: number) => boolean;

  constructor(
    of: {
      readonly set: string;
      readonly point: number;
      readonly tree: MemoryTree;
      readonly hash: HashCore;
      readonly close: () => void;
    },
    isDamaged: (node: number, block: number) => boolean,
  ) {
    this.set = of.set;
    this.point = of.point;
    this.close = of.close;
    this.#tree = of.tree;
    this.#hash = of.hash;
    this.#isDamaged = isDamaged;
  }

  resolve(path: Uint8Array): NodeVersion | undefined {
    const node = this.#tree.find(Buffer.from(path));
    return node === undefined ? undefined : this.#tree.version(node);
  }

  version(node: number): NodeVersion | undefined {
    return this.#tree.version(node);
  }

  links(node: number): number {
    return [...this.#tree.walk()].filter(({ version }) => version.node === node).length;
  }

  list(folder: number, page: { readonly after?: Uint8Array; readonly limit: number }): TreeEntry[] {
    const { after, limit } = page;
    const entries = this.#tree.list(folder);
    return entries
      .filter(({ name }) => after === undefined || Buffer.compare(name, after) > 0)
      .slice(0, limit);
  }

  *walk(folder: number, prefix?: Buffer): Generator<WalkedEntry> {
    yield* this.#tree.walk(folder, prefix);
  }

  digests(
    node: number,
    range: { readonly first: number; readonly count: number },
  ): BlockDigestRun[] {
    const all = digestsOfContent(this.#hash, this.#tree.content(node));
    const end = (range.first + range.count) * DIGEST_BYTES;
    return [{ block: range.first, digests: all.subarray(range.first * DIGEST_BYTES, end) }];
  }

  async *read(
    node: number,
    range: { readonly offset: number; readonly length: number },
  ): AsyncGenerator<Buffer> {
    const content = this.#tree.content(node);
    const end = Math.min(content.length, range.offset + range.length);
    for (let at = range.offset; at < end; at += PIECE_BYTES) {
      const pieceEnd = Math.min(end, at + PIECE_BYTES);
      const last = Math.floor((pieceEnd - 1) / BLOCK_BYTES);
      for (let block = Math.floor(at / BLOCK_BYTES); block <= last; block += 1) {
        await this.readBlock(node, block);
      }
      yield content.subarray(at, pieceEnd);
    }
  }

  readBlock(node: number, block: number): Promise<Buffer> {
    if (this.#isDamaged(node, block)) {
      const facts = { set: this.set, point: this.point, node, block };
      return Promise.reject(
        new AfterimageError('damaged', `block ${block} of node ${node} is damaged`, { facts }),
      );
    }
    const content = this.#tree.content(node);
    return Promise.resolve(content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES));
  }
}

/** Digests of a file's blocks, one after the other. */
function digestsOfContent(hash: HashCore, content: Buffer): Buffer {
  const digests = Buffer.alloc(blockCount(content.length) * DIGEST_BYTES);
  for (let block = 0; block * BLOCK_BYTES < content.length; block += 1) {
    const bytes = content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    digests.set(hash.digest(bytes), block * DIGEST_BYTES);
  }
  return digests;
}
