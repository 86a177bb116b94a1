/**
 * Blocks the set already holds, by digest: answers `has`, serves `copy` records and finds twins of
 * rotten blocks. Looks in the sync under way, in what dropped syncs left behind (R12), and in every
 * body of the set. An index hit is a hint; the bytes' own digest decides (R27).
 */
import fs from 'node:fs';
import path from 'node:path';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { BLOCK_BYTES, DIGEST_BYTES } from '../../shared/limits.js';
import { Patience } from '../history/patience.js';
import { type BlockSource, isUnreadable, newestDigest, readFully } from '../history/read-block.js';
import type { IndexDb } from '../index/index-db.js';
import type { PromisedBodies } from '../history/promised-bodies.js';
import { Place } from '../index/schema.js';
import { digestPrefix, type StagedBlock } from './staged-block.js';

/** An intent with its built files: the sync under way, or one that was dropped. */
export interface IntentStore {
  readonly intent: IndexDb;
  /** Folder of `new/<node>` files. */
  readonly newFolder: string;
  /** Folder of the pages file. */
  readonly intentFolder: string;
}

const HINTS_MAX = 8;

export class KnownBlocks {
  readonly #source: BlockSource;
  readonly #promised: PromisedBodies;
  readonly #stores: () => readonly IntentStore[];

  /** `stores` are looked at first, in order. */
  constructor(
    { source, promised }: { readonly source: BlockSource; readonly promised: PromisedBodies },
    stores: () => readonly IntentStore[],
  ) {
    this.#source = source;
    this.#promised = promised;
    this.#stores = stores;
  }

  /** Whether a block of this digest is here, by the indexes alone. */
  has(digest: Uint8Array): boolean {
    const prefix = digestPrefix(digest);
    for (const { intent } of this.#stores()) {
      if (stagedHints(intent, prefix).some((row) => row.digest.equals(digest) && isWhole(row)))
        return true;
    }
    const found = this.#bodyHints(prefix).find((hint) =>
      newestDigest(this.#source, { ...hint, length: BLOCK_BYTES }).equals(digest),
    );
    if (found !== undefined) this.#promise(found.body);
    return found !== undefined;
  }

  /** The newest state always stays; an ended body must be told to stay. */
  #promise(body: number): void {
    const row = this.#source.index.get<{ place: number }>(
      'SELECT place FROM body WHERE id = ?',
      body,
    );
    if (row?.place === Place.attic) this.#promised.add(body);
  }

  /** The block's bytes, checked, or undefined when no copy is whole. */
  async read(digest: Uint8Array, length: number): Promise<Buffer | undefined> {
    const prefix = digestPrefix(digest);
    for (const store of this.#stores()) {
      const wanted = { prefix, digest, length };
      const bytes = await readOrNone(() => readStaged(this.#source.core, store, wanted));
      if (bytes !== undefined) return bytes;
    }
    for (const hint of this.#bodyHints(prefix)) {
      const bytes = await readOrNone(() => this.#readBody(hint, { digest, length }));
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  #bodyHints(prefix: number): { body: number; block: number }[] {
    return this.#source.index.all<{ body: number; block: number }>(
      `SELECT body, block FROM locate WHERE prefix = ? LIMIT ${HINTS_MAX}`,
      prefix,
    );
  }

  #readBody(
    hint: { body: number; block: number },
    wanted: { digest: Uint8Array; length: number },
  ): Buffer | undefined {
    const bytes = Buffer.alloc(wanted.length);
    readFully(this.#source.bodies.open(hint.body), bytes, hint.block * BLOCK_BYTES);
    return this.#source.core.digest(bytes).equals(wanted.digest) ? bytes : undefined;
  }
}

/** A copy that the disk cannot read is none: there may be others, or the agent sends the block. */
async function readOrNone(read: () => Buffer | undefined): Promise<Buffer | undefined> {
  try {
    return await new Patience().read(read);
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

/** One byte, 0 or 1, for each digest of `digests`. */
export function answerHas(known: KnownBlocks, digests: Uint8Array): Uint8Array {
  const answer = new Uint8Array(Math.floor(digests.length / DIGEST_BYTES));
  for (let at = 0; at < answer.length; at += 1) {
    answer[at] = known.has(digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES)) ? 1 : 0;
  }
  return answer;
}

function stagedHints(intent: IndexDb, prefix: number): StagedBlock[] {
  return intent.all<StagedBlock>(
    `SELECT node, block, digest, bytes, mask, offset, length FROM block WHERE prefix = ? LIMIT ${HINTS_MAX}`,
    prefix,
  );
}

/** Whether the intent holds all of the block's bytes. */
function isWhole(row: StagedBlock): boolean {
  return row.offset < 0 || row.length === row.bytes;
}

function readStaged(
  core: HashCore,
  store: IntentStore,
  wanted: { prefix: number; digest: Uint8Array; length: number },
): Buffer | undefined {
  for (const row of stagedHints(store.intent, wanted.prefix)) {
    if (!row.digest.equals(wanted.digest) || !isWhole(row)) continue;
    const file =
      row.offset < 0
        ? path.join(store.newFolder, String(row.node))
        : path.join(store.intentFolder, 'pages');
    const offset = row.offset < 0 ? row.block * BLOCK_BYTES : row.offset;
    const bytes = readPiece(file, { offset, length: wanted.length });
    if (bytes !== undefined && core.digest(bytes).equals(wanted.digest)) return bytes;
  }
  return undefined;
}

/** Bytes of a file of ours, or undefined when the file is not there. */
function readPiece(file: string, range: { offset: number; length: number }): Buffer | undefined {
  if (!fs.existsSync(file)) return undefined;
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.alloc(range.length);
    readFully(fd, bytes, range.offset);
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}
