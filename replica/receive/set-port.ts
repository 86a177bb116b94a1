/**
 * What the receiving stage needs of a set: the one door between the wire and a set's writer.
 * The set never sees subjects, sessions or keys; the receiver never sees files.
 */
import type { AfterimageError } from '../../shared/errors.js';

/** Where a set stands, for HELLO (R13). */
export interface SetPosition {
  /** Newest committed point; 0 for none. */
  readonly point: number;
  /** Chain digest of that point (32 bytes; zeros for none). */
  readonly chain: Buffer;
  /** Point and chain before the newest, so that "one ahead with my sync" can be told; null at the first. */
  readonly parentChain: Buffer | null;
  /** Chain digest of an older point, or of the newest; null when there is none of that number. */
  readonly chainOf: (point: number) => Buffer | null;
  /** Agent's sync number and manifest digest of the newest point; null for none. */
  readonly newestSync: {
    readonly sync: number;
    readonly manifest: Buffer;
    /** When the point was cut (replica's clock, ms since the epoch); told to an agent that missed it. */
    readonly timeMs: number;
  } | null;
  /** The sync under way, when frames of it are staged or it is sealed but not yet committed. */
  readonly staged: {
    readonly boot: string;
    readonly sync: number;
    readonly sealed: boolean;
    /** Its `end` has come: it becomes sealed or refused by itself, whatever the agent does. */
    readonly ended?: boolean;
    /** Newest frame of `boot` staged in this process. */
    readonly receivedSequence: number;
    /** Newest frame of `boot` that a power cut cannot take. */
    readonly durableSequence: number;
  } | null;
}

/** One frame's records, decrypted, decompressed, in order. */
export interface StagedFrame {
  /** The agent process that numbered the frame: 32 hex digits. */
  readonly boot: string;
  /** Counts from 1 per boot and set, without gaps. */
  readonly sequence: number;
  /**
   * Encoded records (shared/protocol/records.ts). Other bytes lie there once `stage` has resolved or
   * rejected: a set copies what it keeps, and waits for what still reads or writes from it.
   */
  readonly body: Uint8Array;
}

export type SetEvent =
  /** The first frame of a sync was taken; told here only, the agent knows. */
  | { readonly type: 'begun'; readonly sync: number }
  | { readonly type: 'durable'; readonly boot: string; readonly sequence: number }
  | { readonly type: 'sealed'; readonly sync: number; readonly manifest: Buffer }
  | {
      readonly type: 'committed';
      readonly sync: number;
      readonly point: number;
      readonly chain: Buffer;
      readonly timeMs: number;
    }
  /** The sync was dropped; base and points stand. `wants` names blocks to send whole next time. */
  | {
      readonly type: 'refused';
      readonly sync: number;
      readonly error: AfterimageError;
      readonly wants: readonly { readonly node: number; readonly block: number }[];
    }
  /** Blocks of the newest point are damaged here: the agent sends them whole with its next sync. */
  | {
      readonly type: 'wanted';
      readonly blocks: readonly { readonly node: number; readonly block: number }[];
    }
  /** Storage is full or fails; the sync waits and goes on by itself. */
  | { readonly type: 'stalled'; readonly error: AfterimageError }
  | { readonly type: 'resumed' };

export interface SetPort {
  readonly set: string;
  position(): SetPosition;
  /**
   * Stages one frame. Resolves when its memory is free again (credit may go back). A frame whose
   * sequence is not the next one is the caller's mistake. A bad record rejects nothing here: it
   * drops the sync and comes as a `refused` event; later frames of that sync are ignored.
   */
  stage(frame: StagedFrame): Promise<void>;
  /** Drops a staged, unsealed sync; its blocks stay as answers to `has` until the next commit (R12). */
  abandon(reason: string): Promise<void>;
  /** `digests` is a run of 32-byte digests; the answer has one byte, 0 or 1, for each. */
  has(digests: Uint8Array): Promise<Uint8Array>;
  /**
   * Content-defined chunks of a file of the newest point, for matching a rewritten file: for each
   * chunk its length (u32) and the first 8 bytes of its BLAKE3 digest. Empty when there is no such file.
   */
  signature(request: SignatureRequest): Promise<Uint8Array>;
  /**
   * The newest point's whole state as encoded records (node, link, copy and zero records), at most
   * about 512 KiB a page, for an agent that lost its own (R13). `next` is null on the last page.
   */
  listState(
    cursor: string,
  ): Promise<{ readonly records: Uint8Array; readonly next: string | null }>;
  onEvent(listener: (event: SetEvent) => void): { unsubscribe(): void };
}

export interface SignatureRequest {
  readonly node: number;
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
}

/** Finds or makes the set of a name for an agent. Throws `set-owned` when another agent has it. */
export type OpenSet = (request: {
  readonly set: string;
  readonly agent: string;
}) => Promise<SetPort>;
