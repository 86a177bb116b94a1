/** Reads one point of a set: the implementation of `PointView` over the index, packs and bodies. */
import { AfterimageError } from '../../shared/errors.js';
import { blockCount, BLOCK_BYTES, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { digestRowAt } from '../index/digest-rows.js';
import {
  entryAt,
  linksAt,
  listAt,
  nodeAt,
  type NodeRow,
  setVersion,
  splitPath,
  toVersion,
} from '../index/nodes.js';
import { DIGESTS_PER_ROW } from '../index/schema.js';
import { readBlockAt, readFully } from './read-block.js';
import { RunReader, type SmallFile } from './read-run.js';
import type {
  BlockDigestRun,
  NodeVersion,
  PointView,
  ReadManner,
  TreeEntry,
  WalkedEntry,
} from './set-reader.js';
import type { SetStore } from './set-store.js';

const LIST_PAGE = 1000;
const empty = Buffer.alloc(0);
const slash = Buffer.from('/');

export class StoredPointView implements PointView {
  readonly set: string;
  readonly point: number;
  readonly #store: SetStore;
  readonly #end: () => void;
  readonly #runs: RunReader;
  #last: (NodeRow & { body: number }) | undefined;

  constructor(store: SetStore, point: number) {
    this.#store = store;
    this.set = store.set;
    this.point = point;
    this.#end = store.uses.begin(point);
    this.#runs = new RunReader(store.source);
  }

  resolve(path: Uint8Array): NodeVersion | undefined {
    let at: NodeVersion = setVersion;
    for (const name of splitPath(path)) {
      if (at.kind !== 'folder') return undefined;
      const entry = entryAt(this.#store.index, { parent: at.node, name, point: this.point });
      const next = entry === undefined ? undefined : this.version(entry.node);
      if (next === undefined) {
        this.#still(next);
        return undefined;
      }
      at = next;
    }
    return at;
  }

  version(node: number): NodeVersion | undefined {
    if (node === SET_NODE) return setVersion;
    const row = nodeAt(this.#store.index, node, this.point);
    return this.#still(row === undefined ? undefined : toVersion(row));
  }

  links(node: number): number {
    return linksAt(this.#store.index, node, this.point);
  }

  list(folder: number, page: { readonly after?: Uint8Array; readonly limit: number }): TreeEntry[] {
    return this.#still(
      listAt(this.#store.index, {
        folder,
        point: this.point,
        after: page.after ?? empty,
        limit: page.limit,
      }),
    );
  }

  *walk(folder: number, prefix: Buffer = empty): Generator<WalkedEntry> {
    // An explicit stack: trees may be thousands deep. It holds one page of entries a level.
    const stack = [this.#children(folder, prefix)];
    for (;;) {
      const top = stack.at(-1);
      if (top === undefined) return;
      const next = top.next();
      if (next.done === true) {
        stack.pop();
        continue;
      }
      yield next.value;
      if (next.value.version.kind === 'folder') {
        stack.push(this.#children(next.value.version.node, next.value.path));
      }
    }
  }

  *#children(folder: number, prefix: Buffer): Generator<WalkedEntry> {
    let after: Uint8Array = empty;
    for (;;) {
      const page = this.list(folder, { after, limit: LIST_PAGE });
      for (const entry of page) {
        const path = prefix.length === 0 ? entry.name : Buffer.concat([prefix, slash, entry.name]);
        yield { ...entry, path };
      }
      const last = page.at(-1);
      if (last === undefined || page.length < LIST_PAGE) return;
      after = last.name;
    }
  }

  digests(
    node: number,
    range: { readonly first: number; readonly count: number },
  ): BlockDigestRun[] {
    const row = this.#file(node);
    const end = Math.min(blockCount(row.size), range.first + range.count);
    const runs: BlockDigestRun[] = [];
    for (let block = range.first; block < end;) {
      const first = block - (block % DIGESTS_PER_ROW);
      const stop = Math.min(end, first + DIGESTS_PER_ROW);
      const digests = this.#digestRow(row, first);
      runs.push({ block, digests: digests.subarray((block - first) * 32, (stop - first) * 32) });
      block = stop;
    }
    return this.#still(runs);
  }

  /** Digests of up to 128 blocks from `first`, as they were at the point. */
  #digestRow({ body, size }: NodeRow & { body: number }, first: number): Buffer {
    const { index, source } = this.#store;
    return digestRowAt(index, source.core, { body, size, first, point: this.point });
  }

  async *read(
    node: number,
    range: { readonly offset: number; readonly length: number },
  ): AsyncGenerator<Buffer> {
    const row = this.#file(node);
    const end = Math.min(row.size, range.offset + range.length);
    const slice = new TimeSlice();
    let offset = range.offset;
    while (offset < end) {
      const block = Math.floor(offset / BLOCK_BYTES);
      const from = offset - block * BLOCK_BYTES;
      const run = from === 0 ? this.#readRun(row, { block, end }) : undefined;
      const bytes = run ?? (await this.#readOne(row, block));
      const piece = bytes.subarray(from, Math.min(bytes.length, from + end - offset));
      yield piece;
      offset += piece.length;
      await slice.breathe();
    }
  }

  async readBlock(node: number, block: number): Promise<Buffer> {
    const row = this.#file(node);
    return blockLength(row.size, block) === 0 ? empty : this.#readOne(row, block);
  }

  smallDigests(node: number): Buffer | undefined {
    const found = this.#runs.smallDigests(node, this.point);
    return found === undefined ? undefined : this.#still(found);
  }

  readSmall(node: number, manner?: ReadManner): SmallFile | undefined {
    const found = this.#runs.small(node, this.point, manner);
    return found === undefined ? undefined : this.#still(found);
  }

  readRun(
    node: number,
    run: { readonly first: number; readonly digests: Buffer },
    manner?: ReadManner,
  ): Buffer | undefined {
    const { body, size } = this.#file(node);
    const blocks = run.digests.length / DIGEST_BYTES;
    if (blocks > 1 && this.#isChanged(body, { block: run.first, blocks })) return undefined;
    const length = Math.min(size - run.first * BLOCK_BYTES, blocks * BLOCK_BYTES);
    const bytes = this.#runs.blocks({ body, length, ...run }, manner);
    return bytes === undefined ? undefined : this.#still(bytes);
  }

  /** Descriptors belong to the store; nothing here is held open. */
  close(): void {
    this.#end();
  }

  /**
   * Passes on what was found, if the point is still there: once retention has removed it, rows that
   * only it needed are missing, and what was found may be too little (promise 2).
   */
  #still<T>(found: T): T {
    const { index } = this.#store;
    if (index.get('SELECT 1 FROM point WHERE point = ?', this.point) !== undefined) return found;
    throw new AfterimageError('not-found', `${this.set}@${this.point} was removed by retention`, {
      facts: { set: this.set, point: this.point },
    });
  }

  async #readOne(row: NodeRow & { body: number }, block: number): Promise<Buffer> {
    try {
      const { body, size } = row;
      const bytes = await readBlockAt(this.#store.source, { body, block, point: this.point, size });
      return this.#still(bytes);
    } catch (error) {
      if (!(error instanceof AfterimageError) || error.code !== 'damaged') throw error;
      this.#still(error);
      throw new AfterimageError(
        'damaged',
        `${this.set}@${this.point}: block ${block} of node ${row.id} is damaged`,
        {
          cause: error,
          facts: { set: this.set, point: this.point, node: row.id, block },
        },
      );
    }
  }

  /** The usual case, many blocks at once: unchanged since the point, straight from the body. */
  #readRun(
    row: NodeRow & { body: number },
    at: { block: number; end: number },
  ): Buffer | undefined {
    const { source } = this.#store;
    const start = at.block * BLOCK_BYTES;
    const length = Math.min(source.core.batchBytes, at.end - start);
    const blocks = Math.ceil(length / BLOCK_BYTES);
    if (blocks < 2) return undefined;
    const whole = Math.min(row.size - start, blocks * BLOCK_BYTES);
    if (this.#isChanged(row.body, { block: at.block, blocks })) return undefined;
    try {
      const bytes = Buffer.allocUnsafe(whole);
      if (readFully(source.bodies.open(row.body), bytes, start) !== whole) return undefined;
      return this.#still(
        this.#matches(row, { block: at.block, blocks, bytes })
          ? bytes.subarray(0, length)
          : undefined,
      );
    } catch (error) {
      // The block-wise path tries again and says exactly which block is damaged.
      if (error instanceof AfterimageError && error.code === 'damaged') return undefined;
      throw error;
    }
  }

  /** Whether any of these blocks was another at the point than in the body. */
  #isChanged(body: number, at: { readonly block: number; readonly blocks: number }): boolean {
    const changed = this.#store.index.get(
      'SELECT 1 FROM before WHERE body = ? AND block >= ? AND block < ? AND hi >= ? LIMIT 1',
      body,
      at.block,
      at.block + at.blocks,
      this.point,
    );
    return changed !== undefined;
  }

  #matches(
    row: NodeRow & { body: number },
    run: { block: number; blocks: number; bytes: Buffer },
  ): boolean {
    const found = Buffer.from(
      this.#store.source.core.digestBlocks(run.bytes).digests.subarray(0, run.blocks * 32),
    );
    let at = 0;
    for (const { digests } of this.digests(row.id, { first: run.block, count: run.blocks })) {
      if (!digests.equals(found.subarray(at, at + digests.length))) return false;
      at += digests.length;
    }
    return at === found.length;
  }

  /** What a node is at a point does not change: blocks that follow each other ask once. */
  #file(node: number): NodeRow & { body: number } {
    if (this.#last?.id === node) return this.#last;
    this.#last = this.#findFile(node);
    return this.#last;
  }

  #findFile(node: number): NodeRow & { body: number } {
    const row = nodeAt(this.#store.index, node, this.point);
    this.#still(row);
    if (row?.body == null) {
      throw new AfterimageError('not-found', `${this.set}@${this.point}: node ${node} is no file`, {
        facts: { set: this.set, point: this.point, node },
      });
    }
    return { ...row, body: row.body };
  }
}
