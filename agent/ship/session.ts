/**
 * What the agent's pipeline needs of the wire: one session per set, which says HELLO by itself, again
 * after every break, ships records in order under a credit window, and reports what became of them.
 */
import type { AfterimageError } from '../../shared/errors.js';
import type { Watch } from '../../shared/protocol/ack.js';
import type { Answer } from '../../shared/protocol/query.js';
import type { EndRecord, SyncRecord } from '../../shared/protocol/records.js';
import type { Divergence } from '../../shared/protocol/sync-outcome.js';
import type { CompressionState } from './frame-compressor.js';
import type { LaneStatus } from './set-lane.js';

/** What the agent remembers of a set, for HELLO (R13). */
export interface AgentPosition {
  readonly point: number;
  readonly chain: Buffer;
  readonly incarnation: Buffer;
  /** The sync whose `end` may have been sent, with its manifest digest and staged state stored. */
  readonly ended: { readonly sync: number; readonly manifest: Buffer } | null;
  /** How well the set is known at present; told at HELLO and every few seconds. */
  readonly watch?: Watch | undefined;
}

export type HelloOutcome =
  /** Both sides stand at the same point; `resumed` says that the open sync's frames go on. */
  | { readonly type: 'go-on'; readonly resumed: boolean }
  /** The replica committed the agent's ended sync while it was away. */
  | {
      readonly type: 'roll-forward';
      readonly point: number;
      readonly chain: Buffer;
      readonly timeMs: number;
    }
  /** The replica's newest state is not the agent's: fetch names and digests, compare everything. */
  | {
      readonly type: 'diverged';
      readonly point: number;
      readonly chain: Buffer;
      readonly reason: Divergence;
    };

export type SessionEvent =
  /** `about` is the sync that was open or ended when HELLO was said; it tells of no later one. */
  | { readonly type: 'hello'; readonly outcome: HelloOutcome; readonly about: number | null }
  /** No session at present; it is tried again for ever. */
  | { readonly type: 'away'; readonly error: AfterimageError }
  | { readonly type: 'sealed'; readonly sync: number }
  | {
      readonly type: 'committed';
      readonly sync: number;
      readonly point: number;
      readonly chain: Buffer;
      readonly timeMs: number;
    }
  | {
      readonly type: 'refused';
      readonly sync: number;
      readonly error: AfterimageError;
      readonly wants: readonly { readonly node: number; readonly block: number }[];
    }
  /** Blocks of the newest point are damaged on the replica, which has no other copy of them. */
  | {
      readonly type: 'wanted';
      readonly blocks: readonly { readonly node: number; readonly block: number }[];
    }
  | { readonly type: 'stalled'; readonly error: AfterimageError }
  | { readonly type: 'resumed' }
  /** An operator asks for a sync now (`afterimage sync`). */
  | { readonly type: 'sync-asked'; readonly request: string }
  /** An operator asks for a restore on this host. */
  | { readonly type: 'restore-asked'; readonly order: string };

/** What is on its way to the replica. */
export interface SessionTraffic {
  /** Bytes that may be under way at once. */
  readonly windowBytes: number;
  readonly inFlightBytes: number;
  /** Bytes of frames that wait for the window. */
  readonly unsentBytes: number;
  /** Times that frames were sent again because one was missed. */
  readonly rewinds: number;
}

export interface SetSession {
  readonly set: string;
  /** True between a HELLO that was answered and the next break. */
  readonly live: boolean;
  /** Which way frames go, and why; undefined where there is only one. */
  readonly lane?: LaneStatus;
  /** Resolves with the first HELLO's outcome; waits as long as it takes. `position` may throw. */
  start(position: () => AgentPosition): Promise<HelloOutcome>;
  /**
   * Adds a record to the stream. Resolves when the stream takes more (window, or spool while
   * held). Rejects with `session-stale` when a HELLO found the open sync's frames lost: the sync is
   * over, undo it and plan anew.
   */
  write(record: SyncRecord): Promise<void> | undefined;
  /** Ships a partly filled frame now. */
  flush(): void;
  /** While held (application quiesced) nothing waits for the network: frames go to the spool. */
  hold(held: boolean): void;
  /** Forgets unacknowledged frames of an ended or dropped sync. Sequences go on. */
  drop(): void;
  /**
   * The running manifest digest over the records since the last `begin` (see manifest.ts). With
   * `end`: what it will be once that record is written, so that it can be stored before (R13).
   */
  manifestDigest(end?: EndRecord): Buffer;
  /** Bytes handed to the transport so far, headers included. */
  readonly sentBytes: number;
  /** Sessions without a window lack it. */
  traffic?(): SessionTraffic;
  /** How frames are compressed, and why; undefined where they are not made. */
  readonly compression?: CompressionState;
  has(digests: Uint8Array): Promise<Uint8Array>;
  signature(request: {
    readonly node: number;
    readonly minBytes: number;
    readonly averageBytes: number;
    readonly maxBytes: number;
  }): Promise<Uint8Array>;
  listState(
    cursor: string,
  ): Promise<{ readonly records: Uint8Array; readonly next: string | null }>;
  /**
   * Asks about a restore (shared/protocol/restore-question.ts), again after every break, and also while
   * the application is held: nobody holds it longer for that.
   */
  restore?(question: Uint8Array): Promise<Answer>;
  onEvent(listener: (event: SessionEvent) => void): { unsubscribe(): void };
  close(): Promise<void>;
}
