/**
 * The digest of a point (R26): a set hash of what the point reads back as. Its elements are
 *
 *   entry   1, folder, node, name
 *   node    2, node, kind, mode, uid, gid, size, mtime, rdev, target, extended attributes
 *   blocks  3, node, first block, digests of up to 128 blocks
 *
 * Numbers are little-endian. No element says where bytes are (body, place, pack) nor since when a row
 * holds, so moving and pruning change no digest, and the same content has the same digest whichever
 * way it came. A file's first row of blocks is always an element; a later row is one unless all its
 * blocks are zero, which the file's size says already. Each element has its own key, so none is ever
 * there twice.
 *
 * The hash is kept in the index as of the newest point: a cut takes away what it ends and adds what it
 * makes.
 */
import { invariant } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { SetHash } from '../../shared/hash/set-hash.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { BLOCK_BYTES, blockCount, blockLength, DIGEST_BYTES } from '../../shared/limits.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { type DigestRow, zeroRow } from '../index/digest-rows.js';
import type { IndexDb } from '../index/index-db.js';
import { type EntryRow, mtimeOf, type NodeRow } from '../index/nodes.js';
import { paged } from '../index/paged.js';

const Element = { entry: 1, node: 2, blocks: 3 } as const;
const empty = Buffer.alloc(0);
/** Content of more blocks than this is taken away between other work: a row of 128 takes 4 µs. */
const AT_ONCE_BLOCKS_MAX = 128 * 1024;

type HashedNode = Omit<NodeRow, 'born' | 'died' | 'body'>;
type HashedEntry = Pick<EntryRow, 'parent' | 'name' | 'node'>;
type Sign = 'add' | 'remove';

/** A body whose content leaves a node. */
interface EndedContent {
  readonly node: number;
  readonly body: number;
  readonly size: number;
}

export class PointDigest {
  readonly #core: HashCore;
  readonly #hash: SetHash;
  readonly #writer = new ByteWriter(8192);
  readonly #large: EndedContent[] = [];

  /** Of an empty point, or of the point that `state` was taken from. */
  constructor(core: HashCore, state?: Uint8Array) {
    this.#core = core;
    this.#hash = new SetHash(core, state);
  }

  entry(sign: Sign, { parent, name, node }: HashedEntry): void {
    const writer = this.#begin(Element.entry);
    writer.u53(parent);
    writer.u53(node);
    writer.bytes(name);
    this.#hash[sign](writer.view());
  }

  node(sign: Sign, row: HashedNode): void {
    const writer = this.#begin(Element.node);
    writer.u53(row.id);
    writer.u8(row.kind);
    writer.u32(row.mode);
    writer.u32(row.uid);
    writer.u32(row.gid);
    writer.u53(row.size);
    writer.i64(mtimeOf(row));
    writer.u53(row.rdev);
    writer.long(row.target ?? empty);
    writer.long(row.xattrs ?? empty);
    this.#hash[sign](writer.view());
  }

  /** One row of a file's digests; `digests` undefined for one that is not stored. */
  blocks(sign: Sign, at: { readonly node: number; readonly size: number }, row: DigestRow): void {
    const digests = this.#meaning(at.size, row);
    if (digests === undefined) return;
    const writer = this.#begin(Element.blocks);
    writer.u53(at.node);
    writer.u53(row.first);
    writer.bytes(digests);
    this.#hash[sign](writer.view());
  }

  /** Takes away all content of a body that a node no longer has; much of it only in `settle`. */
  endContent(index: IndexDb, ended: EndedContent): void {
    if (blockCount(ended.size) > AT_ONCE_BLOCKS_MAX) this.#large.push(ended);
    else for (const row of storedRows(index, ended)) this.blocks('remove', ended, row);
  }

  /** Finishes what was put off. */
  async settle(index: IndexDb, slice: TimeSlice): Promise<void> {
    for (const ended of this.#large.splice(0)) {
      for (const row of storedRows(index, ended)) {
        this.blocks('remove', ended, row);
        await slice.breathe();
      }
    }
  }

  digest(): Buffer {
    invariant(this.#large.length === 0, 'a point digest is taken when all of it is settled');
    return this.#hash.digest();
  }

  state(): Buffer {
    return this.#hash.state();
  }

  #begin(element: number): ByteWriter {
    this.#writer.reset();
    this.#writer.u8(element);
    return this.#writer;
  }

  /** The digests that a row stands for; undefined when it is no element. */
  #meaning(size: number, { first, digests }: DigestRow): Buffer | undefined {
    if (first >= blockCount(size)) return undefined;
    if (first === 0) return digests ?? zeroRow(this.#core, size, 0);
    return digests === undefined || this.#isZero(size, { first, digests }) ? undefined : digests;
  }

  #isZero(size: number, row: { readonly first: number; readonly digests: Buffer }): boolean {
    const full = zeroDigest(this.#core, BLOCK_BYTES);
    for (let at = 0; at < row.digests.length; at += DIGEST_BYTES) {
      const length = blockLength(size, row.first + at / DIGEST_BYTES);
      const zero = length === BLOCK_BYTES ? full : zeroDigest(this.#core, length);
      if (!row.digests.subarray(at, at + DIGEST_BYTES).equals(zero)) return false;
    }
    return true;
  }
}

/** Stored rows of a body's newest content, and the first one even when it is not stored. */
function* storedRows(index: IndexDb, { body, size }: EndedContent): Generator<DigestRow> {
  let isFirst = true;
  const rows = paged<{ readonly first: number; readonly digests: Buffer }>(index, {
    sql: 'SELECT first, digests FROM digests WHERE body = ? AND first > ? ORDER BY first LIMIT ?',
    start: [body, -1],
    cursorOf: ({ first }) => [body, first],
  });
  for (const row of rows) {
    if (isFirst && row.first > 0) yield { first: 0, digests: undefined };
    isFirst = false;
    yield row;
  }
  if (isFirst && size > 0) yield { first: 0, digests: undefined };
}

/** The digest that a cut of the point after `point` starts from. */
export function loadPointDigest(index: IndexDb, core: HashCore, point: number): PointDigest {
  if (point === 0) return new PointDigest(core);
  const row = index.get<{ point: number; state: Buffer }>('SELECT point, state FROM digest_state');
  invariant(row?.point === point, `the set hash is that of point ${point}`);
  return new PointDigest(core, row.state);
}

/** Keeps the digest of a new point; inside the transaction that makes it. */
export function storePointDigest(index: IndexDb, point: number, digest: PointDigest): Buffer {
  const value = digest.digest();
  index.run('INSERT OR REPLACE INTO point_digest (point, digest) VALUES (?, ?)', point, value);
  index.run(
    'INSERT OR REPLACE INTO digest_state (one, point, state) VALUES (1, ?, ?)',
    point,
    digest.state(),
  );
  return value;
}

/** The digest kept of a point; undefined when there is none. */
export function storedDigest(index: IndexDb, point: number): Buffer | undefined {
  return index.get<{ digest: Buffer }>('SELECT digest FROM point_digest WHERE point = ?', point)
    ?.digest;
}
