/**
 * The small messages of a session: the replica's acknowledgement, a full statement of where the
 * stream stands, so that any later one repairs the loss of an earlier; and the agent's note, which
 * shows that a session is alive and which events were handled.
 */
import { ByteReader, ByteWriter } from './bytes.js';

export interface Ack {
  /** Every frame below this sequence has arrived. */
  readonly next: number;
  /** Frames up to here are staged: their credit returns. */
  readonly received: number;
  /** Frames up to here survive a power cut: the agent forgets them. */
  readonly durable: number;
  /** Highest counter of a records message that was opened in this session. */
  readonly counter: number;
  /** True when a later frame arrived before `next` did: send from `next` again. */
  readonly gap: boolean;
}

export function encodeAck(ack: Ack): Buffer {
  const writer = new ByteWriter(40);
  writer.u53(ack.next);
  writer.u53(ack.received);
  writer.u53(ack.durable);
  writer.u53(ack.counter);
  writer.u8(ack.gap ? 1 : 0);
  return writer.view();
}

/** Throws `frame-malformed`. */
export function decodeAck(bytes: Uint8Array): Ack {
  const reader = new ByteReader(bytes);
  const ack = {
    next: reader.u53(),
    received: reader.u53(),
    durable: reader.u53(),
    counter: reader.u53(),
    gap: reader.u8() !== 0,
  };
  reader.end();
  return ack;
}

/** How well the agent knows its set at present. */
export interface Watch {
  /** How long its journal has been without a gap, ms; 0 while one is open. */
  readonly continuityMs: number;
  /** How long the oldest change that no point covers has waited, ms; 0 when there is none. */
  readonly behindMs: number;
}

export interface Note {
  /** The newest event the agent has handled. */
  readonly seen: number;
  readonly watch?: Watch | undefined;
  /** The agent stops: nothing more comes in this session. */
  readonly leaves?: boolean;
}

const noteFlags = { watch: 1, leaves: 2 } as const;

export function encodeNote(note: Note): Buffer {
  const { seen, watch, leaves } = note;
  const writer = new ByteWriter(25);
  writer.u53(seen);
  writer.u8((watch === undefined ? 0 : noteFlags.watch) | (leaves === true ? noteFlags.leaves : 0));
  if (watch !== undefined) {
    writer.u53(watch.continuityMs);
    writer.u53(watch.behindMs);
  }
  return writer.view();
}

/** Throws `frame-malformed`. */
export function decodeNote(bytes: Uint8Array): Note {
  const reader = new ByteReader(bytes);
  const seen = reader.u53();
  const flags = reader.u8();
  const watch =
    (flags & noteFlags.watch) === 0
      ? undefined
      : { continuityMs: reader.u53(), behindMs: reader.u53() };
  reader.end();
  return { seen, watch, leaves: (flags & noteFlags.leaves) !== 0 };
}
