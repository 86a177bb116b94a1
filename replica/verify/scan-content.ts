/**
 * Reads everything stored of a set's files against its digests, a piece at a time: bodies in base
 * and attic by number, and with each block the records of its older versions. Looks only; what
 * seems wrong may be a sync under way, and is looked at again under the set's lock.
 */
import fs from 'node:fs';
import { BLOCK_BYTES, blockCount, DIGEST_BYTES } from '../../shared/limits.js';
import type { DataRange, Posix } from '../../shared/posix/posix.js';
import { BodyFiles } from '../history/body-files.js';
import { isUnreadable } from '../history/read-block.js';
import { zeroRow } from '../index/digest-rows.js';
import { DIGESTS_PER_ROW } from '../index/schema.js';
import { blockVersions, type BodyRow, isBad, type VersionSource } from './block-versions.js';

/** Blocks looked at in one step: 1 MiB, within one row of digests. */
const PIECE_BLOCKS = 16;
/** Folders of the base are opened anew after so many bodies, so that what was put in their place is seen. */
const BODIES_A_VIEW = 64;

export interface ContentStep {
  /** The body looked at, and the block to go on with. */
  readonly body: number;
  readonly block: number;
  /** Bytes read for it. */
  readonly bytes: number;
  /** Blocks of which something does not come out as its digest. */
  readonly suspects: readonly number[];
}

export interface ContentScanDeps extends Omit<VersionSource, 'bodies'> {
  readonly setFolder: string;
  readonly posix: Posix;
}

interface Piece {
  readonly first: number;
  readonly count: number;
}

/** Everything from a body and block on. */
export async function* scanContent(
  deps: ContentScanDeps,
  from: { readonly body: number; readonly block: number },
): AsyncGenerator<ContentStep> {
  let next = from;
  for (let view = 0; ; view += 1) {
    const bodies = new BodyFiles(deps.setFolder, deps.index);
    try {
      for (let n = 0; n < BODIES_A_VIEW; n += 1) {
        const body = deps.index.get<BodyRow>(
          'SELECT id, node, born, died, place, size FROM body WHERE id >= ? ORDER BY id LIMIT 1',
          next.body,
        );
        if (body === undefined) return;
        const start = body.id === next.body ? next.block : 0;
        yield* new BodyScan({ ...deps, bodies }, body).run(start);
        next = { body: body.id + 1, block: 0 };
      }
    } finally {
      bodies.close();
    }
  }
}

class BodyScan {
  readonly #deps: ContentScanDeps & VersionSource;
  readonly #body: BodyRow;
  #holes: readonly DataRange[] | undefined;
  #bytes = 0;

  constructor(deps: ContentScanDeps & VersionSource, body: BodyRow) {
    this.#deps = deps;
    this.#body = body;
  }

  async *run(start: number): AsyncGenerator<ContentStep> {
    const { index, slice } = this.#deps;
    const { id, size } = this.#body;
    const oldest = index.get<{ block: number | null }>(
      'SELECT max(block) AS block FROM before WHERE body = ?',
      id,
    );
    const end = Math.max(blockCount(size), (oldest?.block ?? -1) + 1);
    const file = await this.#open();
    try {
      if (end === 0) yield { body: id, block: 0, bytes: 0, suspects: [] };
      for (let first = start - (start % PIECE_BLOCKS); first < end; first += PIECE_BLOCKS) {
        const piece = { first, count: Math.min(PIECE_BLOCKS, end - first) };
        this.#bytes = 0;
        const suspects = await this.#suspects(file, piece);
        yield { body: id, block: first + piece.count, bytes: this.#bytes, suspects };
        await slice.breathe();
      }
    } finally {
      await file?.close();
    }
  }

  /** A descriptor of our own, so that reading can wait; undefined when the file is nowhere. */
  async #open(): Promise<fs.promises.FileHandle | undefined> {
    try {
      const shared = this.#deps.bodies.open(this.#body.id);
      this.#holes =
        this.#body.size > PIECE_BLOCKS * BLOCK_BYTES
          ? this.#deps.posix.dataRanges(shared, this.#body.size)
          : undefined;
      return await fs.promises.open(`/proc/self/fd/${shared}`, 'r');
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  }

  async #suspects(file: fs.promises.FileHandle | undefined, piece: Piece): Promise<number[]> {
    const suspects = new Set(await this.#newestWrong(file, piece));
    const older = this.#deps.index.all<{ block: number; bytes: number }>(
      `SELECT block, sum(length) AS bytes FROM before
       WHERE body = ? AND block >= ? AND block < ? GROUP BY block`,
      this.#body.id,
      piece.first,
      piece.first + piece.count,
    );
    for (const { block, bytes } of older) {
      if (!suspects.has(block) && (await this.#isSuspect(block))) suspects.add(block);
      this.#bytes += bytes;
      await this.#deps.slice.breathe();
    }
    return [...suspects].sort((a, b) => a - b);
  }

  async #isSuspect(block: number): Promise<boolean> {
    for await (const version of blockVersions(this.#deps, this.#body, block)) {
      if (isBad(version)) return true;
    }
    return false;
  }

  /** Blocks of the piece whose newest content is not as its digest says. */
  async #newestWrong(file: fs.promises.FileHandle | undefined, piece: Piece): Promise<number[]> {
    const { core } = this.#deps;
    const count = Math.min(piece.count, blockCount(this.#body.size) - piece.first);
    if (count <= 0) return [];
    const digests = this.#digests({ first: piece.first, count });
    const bytes = await this.#read(file, { first: piece.first, count });
    if (bytes === undefined) return range(piece.first, count);
    const found = Buffer.from(core.digestBlocks(bytes).digests);
    if (found.subarray(0, digests.length).equals(digests)) return [];
    return range(piece.first, count).filter((block) => {
      const at = (block - piece.first) * DIGEST_BYTES;
      const end = at + DIGEST_BYTES;
      return !found.subarray(at, end).equals(digests.subarray(at, end));
    });
  }

  /** What is on disk, zeros past its end; undefined when it cannot be read. */
  async #read(file: fs.promises.FileHandle | undefined, piece: Piece): Promise<Buffer | undefined> {
    const start = piece.first * BLOCK_BYTES;
    const bytes = Buffer.alloc(Math.min(piece.count * BLOCK_BYTES, this.#body.size - start));
    if (file === undefined) return undefined;
    if (this.#isHole(start, start + bytes.length)) return bytes;
    try {
      await this.#deps.patience.read(() => readAll(file, bytes, start));
      this.#bytes += bytes.length;
      return bytes;
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  }

  #isHole(start: number, end: number): boolean {
    return this.#holes?.every((data) => data.end <= start || data.start >= end) ?? false;
  }

  #digests(piece: Piece): Buffer {
    const { index, core } = this.#deps;
    const first = piece.first - (piece.first % DIGESTS_PER_ROW);
    const row = zeroRow(core, this.#body.size, first);
    const stored = index.get<{ digests: Buffer }>(
      'SELECT digests FROM digests WHERE body = ? AND first = ?',
      this.#body.id,
      first,
    );
    stored?.digests.copy(row, 0, 0, Math.min(stored.digests.length, row.length));
    const at = (piece.first - first) * DIGEST_BYTES;
    return row.subarray(at, at + piece.count * DIGEST_BYTES);
  }
}

/** Until `bytes` is full or the file ends. */
async function readAll(file: fs.promises.FileHandle, bytes: Buffer, start: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
