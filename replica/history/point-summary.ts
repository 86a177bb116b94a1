/** What is known of a point without opening it. */
import type { SyncOutcome } from '../../shared/protocol/sync-outcome.js';

export interface PointSummary {
  readonly point: number;
  /** Replica's clock at the cut, ms since the epoch (R20). */
  readonly timeMs: number;
  /** Agent's sync number. */
  readonly sync: number;
  readonly chain: Buffer;
  readonly manifest: Buffer;
  /** Of the agent's history that the sync belongs to; with it, `chain` can be checked. */
  readonly incarnation?: Buffer;
  readonly outcome: SyncOutcome;
  /** Live at this point: nodes other than folders, and the sum of their sizes. */
  readonly files: number;
  readonly bytes: number;
  /** What the sync changed: nodes written or removed, and bytes of blocks received new. */
  readonly changedNodes: number;
  readonly changedBytes: number;
}
