/**
 * What tells that files of a set may have changed. A source need not say how, and none sees
 * everything: what it reports is journalled and says when to look; the look is a scan (R17).
 */
import type { GapReason } from '../journal/journal.js';

export type CaptureReport =
  /** A path that may have changed, as `<root>/<path>`. */
  | { readonly type: 'changed'; readonly path: Buffer }
  /** A folder that came to this path with all it holds, as by a rename: all of it is looked at. */
  | { readonly type: 'arrived'; readonly path: Buffer }
  /** Changes below `covers` may have gone unseen; the empty path is the whole set. */
  | { readonly type: 'gap'; readonly reason: GapReason; readonly covers: Buffer }
  /** Nothing was seen, but it is time to look. */
  | { readonly type: 'look' };

export interface CaptureSource {
  /** `fanotify`, `chokidar` or `scan`. */
  readonly name: string;
  /**
   * Only of a source that reports every change of names and every write through the file system's
   * calls, in order, or else a gap: what it did not name need not be looked at (R17). Resolves when
   * all that happened before the call has been reported. Stores into mapped memory, asynchronous
   * I/O under way and writes below the file system raise no event and are left to a scan. It is gone
   * while that does not hold, as while a root is not there: to be asked for anew at each use.
   */
  readonly drain?: (() => Promise<void>) | undefined;
  /**
   * Resolves when changes are seen from here on. `report` is called until `stop` resolves and must
   * not throw.
   */
  start(report: (seen: CaptureReport) => void): Promise<void>;
  stop(): Promise<void>;
}

export interface CapturedRoot {
  readonly name: string;
  readonly path: string;
}
