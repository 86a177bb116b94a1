/**
 * What the faces (HTTP API, command line, console, mount) ask of a set: a few functions over its
 * points. Everything read is checked against its digest; what cannot be is an error of code
 * `damaged`, for exactly the file and point asked for (promise 2). Readers never wait for a sync
 * under way, and a sync never waits for them (R9).
 */
import type { PointSelector } from '../../shared/point-selector.js';
import type { NodeVersion, ReadManner } from '../../shared/restore/node-version.js';
import type { PointSummary } from './point-summary.js';
import type { PointTable } from './point-table.js';
import type { SearchFor, SearchPage } from './search.js';
import type { TreeEntry, WalkedEntry } from './tree-entry.js';
import type { PathHistory, VersionsRequest } from './versions.js';

export type { NodeVersion, PointSummary, ReadManner, TreeEntry, WalkedEntry };

export interface BlockDigestRun {
  /** First block of the run. */
  readonly block: number;
  /** 32 bytes a block. */
  readonly digests: Buffer;
}

export interface PointView {
  readonly set: string;
  readonly point: number;
  /** The node at a path (`''` is the set itself), or undefined. No symlink is followed. */
  resolve(path: Uint8Array): NodeVersion | undefined;
  version(node: number): NodeVersion | undefined;
  /** How many names a node has at the point. Readers that cannot tell lack it. */
  links?(node: number): number;
  /** Entries of a folder by name bytes, after `after`, at most `limit`. */
  list(folder: number, page: { readonly after?: Uint8Array; readonly limit: number }): TreeEntry[];
  /** Every entry below a folder, parents before children, by name bytes within a folder. */
  walk(folder: number, prefix?: Buffer): Generator<WalkedEntry>;
  /** Digests of a file's blocks [first, first + count), in runs; holes and zero blocks included. */
  digests(
    node: number,
    range: { readonly first: number; readonly count: number },
  ): BlockDigestRun[];
  /**
   * Bytes [offset, offset + length) of a file, cut at its size, in pieces of at most 1 MiB.
   * Throws `damaged` (with set, point, path or node, block) when a block does not match.
   */
  read(
    node: number,
    range: { readonly offset: number; readonly length: number },
  ): AsyncGenerator<Buffer>;
  /** One whole block, checked. Empty past the end. */
  readBlock(node: number, block: number): Promise<Buffer>;
  /** Digests of a small file, 32 bytes a block, when one look gives them. Readers may lack it. */
  smallDigests?(node: number): Buffer | undefined;
  /**
   * A whole file when it is small and at hand as it was; its digests are 32 bytes a block. Undefined
   * when it has to be read block by block. Readers without such a way lack it.
   */
  readSmall?(
    node: number,
    manner?: ReadManner,
  ): { readonly digests: Buffer; readonly bytes: Buffer } | undefined;
  /**
   * The blocks from `first` on that have these digests (32 bytes each), at most 1 MiB, when they are at
   * hand as they were. Undefined when they have to be read one by one.
   */
  readRun?(
    node: number,
    run: { readonly first: number; readonly digests: Buffer },
    manner?: ReadManner,
  ): Buffer | undefined;
  close(): void;
}

export interface FoundVersion {
  readonly path: Buffer;
  readonly version: NodeVersion;
  /** Points [from, to] at which this version stood at this path; `to` is the newest when it still does. */
  readonly from: number;
  readonly to: number;
  readonly live: boolean;
}

export type DiffEntry = {
  readonly path: Buffer;
  readonly change: 'added' | 'removed' | 'content' | 'metadata' | 'kind';
  readonly before?: NodeVersion;
  readonly after?: NodeVersion;
  /** Set when the node stood at another path at the first point. */
  readonly movedFrom?: Buffer;
};

export interface SpaceUse {
  readonly baseBytes: number;
  readonly atticBytes: number;
  readonly packBytes: number;
  /** Of the index, its twin, and the logs of both. */
  readonly indexBytes: number;
}

export interface PointDigestPair {
  readonly point: number;
  /** Undefined when none is kept. */
  readonly kept: Buffer | undefined;
  readonly computed: Buffer;
}

export interface SetReader {
  readonly set: string;
  /** All points, oldest first. */
  points(): PointSummary[];
  newest(): PointSummary | undefined;
  /** The point that a selector chooses; throws `not-found`. Readers without it have `points`. */
  select?(selector: PointSelector): PointSummary;
  /** All points in columns, kept up to date. Readers of few points lack it. */
  readonly table?: PointTable;
  /** What became of one path over the points. Throws `cancelled`. */
  versions?(request: VersionsRequest): Promise<PathHistory>;
  /** Names that fit, best first, as many as are found in the time given. Throws `cancelled`. */
  search?(wanted: SearchFor): Promise<SearchPage>;
  /** A snapshot of one point; throws `not-found`. Close it. */
  open(point: number): PointView;
  /**
   * Every version of every path whose name or path matches `glob` (`*`, `?`, `[…]`, `**`; without a
   * slash it matches the last component), over points [from, to].
   */
  find(request: {
    readonly glob: string;
    readonly from: number;
    readonly to: number;
    readonly limit: number;
  }): FoundVersion[];
  diff(a: number, b: number): Generator<DiffEntry>;
  /** The same, giving way to other work. Readers of little lack it. */
  changes?(a: number, b: number): AsyncGenerator<DiffEntry>;
  space(): SpaceUse;
  /**
   * Digests of points (ascending) as their cuts kept them, and as all rows of the index give them
   * (R26). Points removed meanwhile are left out. Throws `cancelled`. Readers without digests lack it.
   */
  pointDigests?(request: {
    readonly points: readonly number[];
    readonly signal: AbortSignal;
  }): AsyncGenerator<PointDigestPair>;
}
