/**
 * What a restore reads from: one point, over HTTP or straight from the history. Small on purpose:
 * a walk in an order that lets a folder be planned at a time, digests to compare with, contents.
 */
import type { ContentFrame } from '../api/content.js';
import type { NodeVersion, ReadManner } from './node-version.js';

/** Entries of one part. */
export const PART_ENTRIES_MAX = 2048;

export interface SourceEntry {
  readonly name: Buffer;
  readonly version: NodeVersion;
  /** True for a folder that only leads to an asked path. */
  readonly way: boolean;
  /** Of a small file's blocks, 32 bytes each, if they were asked for and at hand. */
  readonly digests?: Buffer;
}

/**
 * Entries of one folder by name bytes; a large folder comes in several parts, the last one marked.
 * Parts are in this order: a folder whole, then what is below its first subfolder, and so on. An
 * empty folder has one empty part. The first part is the set itself (path '').
 */
export interface FolderPart {
  readonly path: Buffer;
  readonly node: number;
  /** True when only what leads to asked paths is listed. */
  readonly way: boolean;
  readonly entries: readonly SourceEntry[];
  readonly last: boolean;
}

/** Blocks [first, first + count) of a file. */
export interface BlockRange {
  readonly first: number;
  readonly count: number;
}

export interface ReadItem {
  readonly node: number;
  /** Ascending; the whole file when left out. */
  readonly ranges?: readonly BlockRange[];
  /** Bytes of the whole file, for sources that ask in pieces. */
  readonly size?: number;
}

export interface PointSource {
  readonly set: string;
  readonly point: number;
  /**
   * Everything at and below `paths` (none: the whole set), with the digests of small files for those
   * who will compare, where asking for them later costs more. Throws `not-found` before the first part.
   */
  walk(paths: readonly Buffer[], signal: AbortSignal, digests?: 'small'): AsyncIterable<FolderPart>;
  /** 32 bytes a block of [first, first + count), cut at the file's end. */
  digests(node: number, range: BlockRange, signal: AbortSignal): Promise<Buffer>;
  /**
   * Contents in the order of items and blocks; zero blocks come as runs. A block that cannot be read
   * is a `failed` frame and the others go on. Bytes are valid until the next frame. Where the asker
   * checks, blocks need not have their digests: what has not is asked for again, to be checked here.
   */
  read(
    items: readonly ReadItem[],
    signal: AbortSignal,
    check?: ReadManner['check'],
  ): AsyncIterable<ContentFrame>;
}
