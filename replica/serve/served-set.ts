/** What the server needs of a set, besides its reader: what is going on, and the door to its agent. */
import type { ScrubStatus, ScrubSummary } from '../../shared/api/scrub.js';
import type { SetState } from '../../shared/api/status.js';
import type { AfterimageError } from '../../shared/errors.js';
import type { PointSummary, SetReader } from '../history/set-reader.js';

export interface SetActivity {
  /** Name of the agent that owns the set; null when none is known. */
  readonly agent: string | null;
  readonly agentConnected: boolean;
  readonly state: SetState;
  /** Why it is stalled, or why the last sync was refused. */
  readonly error: AfterimageError | null;
  /** How long the agent's journal has been without a gap, ms; null when not known. */
  readonly continuityMs: number | null;
  /** How long the oldest change that no point covers has waited, ms; null when not known. */
  readonly behindMs: number | null;
}

/** What an operator can ask of a set's scrubbing. */
export interface ScrubControl {
  summary(): ScrubSummary;
  status(): ScrubStatus;
  /** A round goes on, or begins, now. */
  begin(): void;
  pause(): void;
  resume(): void;
  setRate(bytesPerSecond: number): void;
}

export interface ServedSet {
  readonly reader: SetReader;
  activity(): SetActivity;
  /** Calls back after every commit of this set. */
  onCommitted(listener: (point: PointSummary) => void): { unsubscribe(): void };
  /**
   * Asks the set's agent for a sync now; `request` is among its outcome's requests. Rejects with
   * `agent-away` when it is not connected.
   */
  askSync(request: string): Promise<void>;
  /** Undefined where the set is not scrubbed. */
  readonly scrub?: ScrubControl | undefined;
}
