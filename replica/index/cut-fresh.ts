/**
 * The part of transaction B for nodes that no point knew: most of a large sync, and nothing of the
 * index needs to be looked at for them. Their rows are read a page at a time and written many in a
 * statement. Bodies get the numbers that one row after the other would have given them.
 */
import type { PointDigest } from '../certify/point-digest.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { BLOCK_BYTES, blockCount, DIGEST_BYTES } from '../../shared/limits.js';
import { digestPrefix } from '../stage/staged-block.js';
import { zeroRow } from './digest-rows.js';
import type { IndexDb } from './index-db.js';
import { ManyRows } from './many-rows.js';
import type { NodeRow } from './nodes.js';
import { paged } from './paged.js';
import { LIVE, Place } from './schema.js';

/** A row of the intent's `node`. */
export interface StagedNodeRow extends Omit<NodeRow, 'born' | 'died' | 'body'> {
  readonly fresh: number;
  readonly body_word: number;
  readonly old_body: number | null;
  readonly dead: number;
}

export interface FreshNodesDeps {
  readonly index: IndexDb;
  readonly intent: IndexDb;
  readonly core: HashCore;
  readonly point: number;
  readonly digest: PointDigest;
}

interface StagedDigest {
  readonly node: number;
  readonly block: number;
  readonly digest: Buffer;
}

/** `body_word` of a file that is written anew. */
const NODE_NEW = 2;
/** Files of at most so many blocks are cut together: all have one row of digests. */
const BLOCKS_MAX = 8;
/** Nodes that are kept back. */
const NODES_MAX = 256;

export class FreshNodes {
  readonly #deps: FreshNodesDeps;
  readonly #nodes: ManyRows;
  readonly #bodies: ManyRows;
  readonly #digests: ManyRows;
  readonly #locate: ManyRows;
  readonly #zero: Buffer;
  #waiting: StagedNodeRow[] = [];

  constructor(deps: FreshNodesDeps) {
    this.#deps = deps;
    this.#zero = zeroDigest(deps.core, BLOCK_BYTES);
    const { index } = deps;
    this.#nodes = new ManyRows(index, {
      head: `INSERT INTO node
        (id, born, died, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target, xattrs, body)`,
      columns: 14,
    });
    this.#bodies = new ManyRows(index, {
      head: 'INSERT INTO body (id, node, born, died, place, size)',
      columns: 6,
    });
    this.#digests = new ManyRows(index, {
      head: 'INSERT INTO digests (body, first, digests)',
      columns: 3,
    });
    this.#locate = new ManyRows(index, {
      head: 'INSERT OR IGNORE INTO locate (prefix, body, block)',
      columns: 3,
    });
  }

  /** Takes a node, and true, or leaves it to be cut by itself. Nodes come by number. */
  take(row: StagedNodeRow): boolean {
    const isSmall = row.body_word !== NODE_NEW || blockCount(row.size) <= BLOCKS_MAX;
    if (row.fresh !== 1 || row.dead !== 0 || row.old_body !== null || !isSmall) return false;
    this.#waiting.push(row);
    if (this.#waiting.length >= NODES_MAX) this.flush();
    return true;
  }

  /** Cuts the nodes that were taken: before any other is, which may get the next body's number. */
  flush(): void {
    const rows = this.#waiting;
    if (rows.length === 0) return;
    this.#waiting = [];
    const { index, digest, point } = this.#deps;
    const newest = index.get<{ id: number | null }>('SELECT max(id) AS id FROM body')?.id ?? 0;
    const blocks = this.#blocksOf(rows);
    let body = newest;
    for (const row of rows) {
      const hasBody = row.body_word === NODE_NEW;
      if (hasBody) {
        body += 1;
        this.#bodies.add(body, row.id, point, LIVE, Place.base, row.size);
        this.#content(row, { body, blocks: blocks.get(row.id) ?? [] });
      }
      this.#node(row, hasBody ? body : null);
      digest.node('add', row);
    }
    for (const table of [this.#bodies, this.#nodes, this.#digests, this.#locate]) table.flush();
  }

  #node(row: StagedNodeRow, body: number | null): void {
    this.#nodes.add(
      row.id,
      this.#deps.point,
      LIVE,
      row.kind,
      row.mode,
      row.uid,
      row.gid,
      row.size,
      row.mtime_s,
      row.mtime_ns,
      row.rdev,
      row.target,
      row.xattrs,
      body,
    );
  }

  #content(
    row: StagedNodeRow,
    { body, blocks }: { readonly body: number; readonly blocks: readonly StagedDigest[] },
  ): void {
    const { core, digest } = this.#deps;
    const digests = blocks.length === 0 ? undefined : rowOf(core, row.size, blocks);
    if (digests !== undefined) this.#digests.add(body, 0, digests);
    digest.blocks('add', { node: row.id, size: row.size }, { first: 0, digests });
    for (const { block, digest: of } of blocks) {
      if (!of.equals(this.#zero)) this.#locate.add(digestPrefix(of), body, block);
    }
  }

  /** Blocks of the nodes that have a new body. Others among them are none of these. */
  #blocksOf(rows: readonly StagedNodeRow[]): ReadonlyMap<number, StagedDigest[]> {
    const blocks = new Map<number, StagedDigest[]>();
    for (const { id, body_word: word } of rows) if (word === NODE_NEW) blocks.set(id, []);
    const [first] = rows;
    const last = rows.at(-1);
    if (first === undefined || last === undefined || blocks.size === 0) return blocks;
    const staged = paged<StagedDigest>(this.#deps.intent, {
      sql: `SELECT node, block, digest FROM block
            WHERE (node, block) > (?, ?) AND node <= ? ORDER BY node, block LIMIT ?`,
      start: [first.id, -1, last.id],
      cursorOf: ({ node, block }) => [node, block, last.id],
    });
    for (const row of staged) blocks.get(row.node)?.push(row);
    return blocks;
  }
}

/** A file's digests; blocks that were not said are zero. */
function rowOf(core: HashCore, size: number, blocks: readonly StagedDigest[]): Buffer {
  const count = blockCount(size);
  const row = blocks.length < count ? zeroRow(core, size, 0) : Buffer.alloc(count * DIGEST_BYTES);
  for (const { block, digest } of blocks) row.set(digest, block * DIGEST_BYTES);
  return row;
}
