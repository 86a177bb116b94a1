/** What the server needs of a set, besides its reader: what is going on, and the door to its agent. */
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
}
