/**
 * Where a file may differ from what the state's digest rows say of it, so that a large file need not
 * be read whole to find a few changed pages. What a source answers is a superset, or nothing: blocks
 * outside the ranges keep their digests unread, so a range that is missing is a lost change.
 *
 * Each look at a file that a source can build on has a basis: a word made for that look alone. The
 * planner keeps it with the file's digest rows, in the transactions that change them: rows that are
 * taken back, set aside, adopted from the replica or forgotten take their basis with them. A source
 * answers ranges only since a look whose basis it is given, so it never has to follow what became of
 * a sync.
 */
import type { DataRange, FileStatus } from '../../shared/posix/posix.js';

/** A file that is about to be read. */
export interface RangeFile {
  readonly node: number;
  /** Open for reading. Stays open until the look ends. */
  readonly fd: number;
  /**
   * `clone`: `fd` holds the file as it was at an earlier instant. A source that follows writes must
   * answer what it knows now, and answer it all again at the next look.
   */
  readonly holds: 'live' | 'clone';
  /** Of the live file, as seen just before. */
  readonly status: FileStatus;
  /** Bytes of content that the digest rows describe. */
  readonly knownSize: number;
  /** Which look the digest rows are of; undefined when they are of none. */
  readonly basis: string | undefined;
}

/** One look at one file, from before its first byte is read until its digest rows are written. */
export interface RangeLook {
  /** What to read; closed by `end`, where it is not that of the `RangeFile`. */
  readonly fd: number;
  /** `clone`: what is read through `fd` cannot move meanwhile. */
  readonly holds: 'live' | 'clone';
  /** Of the live file, for the instant that the look is of. */
  readonly status: FileStatus;
  /** False when the live file moved around that instant: it must be looked at again. */
  readonly steady: boolean;
  /**
   * Sorted, disjoint byte ranges outside of which the file's content is what the digest rows of
   * `RangeFile.basis` say. Undefined: not known, the file is read whole. Bytes past the smaller of
   * both sizes need not be named.
   */
  readonly ranges: readonly DataRange[] | undefined;
  /** The word of this look, to be kept with the digest rows; undefined when none can build on it. */
  readonly basis: string | undefined;
  /** Once, last. `failed`: the rows do not describe what this look would have read. */
  end(result: 'said' | 'failed'): void;
}

/** What a source does, for status and log. */
export interface RangeState {
  /** Files whose next look needs no whole read. */
  readonly files: number;
  /** Space that no one else would hold, at most, in bytes. */
  readonly heldBytesMax: number;
}

/** The basis that the state holds for a node now, committed or not; undefined for none. */
export type BasisOf = (node: number) => string | undefined;

export interface RangeSource {
  readonly name: string;
  /**
   * Begins a look, before any byte of the file is read: what has to be swapped or flushed happens
   * here. Undefined: this file is not followed and is read whole from where it is. Failures of a
   * source are no failures of the sync: they are logged and answered so.
   */
  begin(file: RangeFile): Promise<RangeLook | undefined>;
  /**
   * No sync is in flight: what looks left behind is kept where the state holds their basis, whether
   * it was committed or taken back, and dropped elsewhere. Ranges taken by a look whose basis the
   * state does not hold are ranges since the one it holds. Also called after a restart, and when
   * nodes went.
   */
  settle(basisOf: BasisOf): void;
  state(): RangeState;
  close(): void;
}
