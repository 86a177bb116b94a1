/**
 * What tells that files of a set may have changed. A source need not say how, and none sees
 * everything: what it reports is journalled and says when to look; the look is a scan (R17).
 */
import type { GapReason } from '../journal/journal.js';

export type CaptureReport =
  /** A path that may have changed, as `<root>/<path>`. */
  | { readonly type: 'changed'; readonly path: Buffer }
  /** Changes below `covers` may have gone unseen; the empty path is the whole set. */
  | { readonly type: 'gap'; readonly reason: GapReason; readonly covers: Buffer }
  /** Nothing was seen, but it is time to look. */
  | { readonly type: 'look' };

export interface CaptureSource {
  /** `chokidar` or `scan`. */
  readonly name: string;
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
