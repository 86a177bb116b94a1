/**
 * How an image of a set is taken. An engine decides when the application is held and how often the
 * tree is looked at; what is looked at and said is the planner's.
 */
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { ApplicationContext, Consistency } from '../../shared/protocol/sync-outcome.js';
import type { FileCloner } from '../plan/held-files.js';
import type { RootPath } from '../plan/open-roots.js';
import type { PlacedFile, QuiesceRecipe } from '../quiesce/recipe.js';

export interface ImageRequest {
  /** Walks the tree once and says what differs; returns how much that was. */
  readonly look: (options: LookOptions) => Promise<RoundFound>;
  /** Adds files to folders of the point; where one of them was before, it is replaced. */
  readonly place: (files: readonly PlacedFile[]) => Promise<void>;
  /** After the release: reads what a look cloned. */
  readonly readHeldFiles: () => Promise<void>;
  /** After the held walk, before the release: names of files that moved under it. */
  readonly movedWhileHeld: () => readonly string[];
  /** Tells the wire and the planner that nothing may wait for the network. */
  readonly hold: (held: boolean) => void;
  readonly recipe: QuiesceRecipe;
  /** Rounds with the application running, at most. */
  readonly roundsMax: number;
  /** Hold the application even when nothing changed since the last point. */
  readonly always: boolean;
  /**
   * Everything found so far is what the last hold itself did to the files: an application that is
   * idle must not be held for that, or holding it would never end.
   */
  readonly isEcho: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface LookOptions {
  /** Nothing changes meanwhile. */
  readonly held: boolean;
  /** Clones what would be read, for `readHeldFiles`. */
  readonly cloner?: FileCloner;
  /** Looks at all that is below these folders and at nothing else; absolute. */
  readonly folders?: readonly string[];
  /** Looks at this in the place of the roots. */
  readonly snapshot?: SnapshotView;
}

/** A set's roots as they were at one instant. */
export interface SnapshotView {
  readonly holds: 'clone';
  readonly roots: readonly RootPath[];
  /** Shows the snapshot's files as those they are copies of. */
  readonly posix: Posix;
  /** Stands at the instant of the snapshot. */
  readonly clock: Clock;
}

export interface RoundFound {
  /** Records written in this round. */
  readonly records: number;
  /** Bytes of content in them. */
  readonly bytes: number;
}

export interface ImageTaken {
  /** What took it: `rounds`, `clone` or `snapshot`. */
  readonly engine: string;
  /** Identifier of the snapshot, where there was one. */
  readonly snapshot?: string;
  readonly consistency: Consistency;
  /** Rounds, the held one included. */
  readonly rounds: number;
  readonly heldMs: number;
  /** The agent's clock at the instant of the image, ms since the epoch. */
  readonly imageMs: number;
  /** When the application was released, ms since the epoch; undefined when it was not held. */
  readonly releasedMs: number | undefined;
  readonly applications: readonly ApplicationContext[];
  readonly movedWhileHeld: readonly string[];
}

export interface ImageEngine {
  readonly name: string;
  take(request: ImageRequest): Promise<ImageTaken>;
  /** Removes what it keeps on the file systems of the roots. */
  close?(): Promise<void>;
}
