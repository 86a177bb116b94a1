/** What the receiver has seen, for the operator; grows only. */
export interface ReceiveCounters {
  hellos: number;
  /** HELLOs answered with a refusal. */
  refused: number;
  sessions: number;
  frames: number;
  /** Bytes of frames as they travelled. */
  frameBytes: number;
  duplicates: number;
  gaps: number;
  /** Messages that did not decode. */
  malformed: number;
  /** Messages that did not open under the session's key. */
  forged: number;
  /** Messages of sessions that are unknown or fenced. */
  stale: number;
  /** Frames sent beyond the credit window and dropped. */
  overrun: number;
  queries: number;
  /** Direct streams that were proven. */
  directStreams: number;
  /** Direct connections that proved nothing, or sent what no stream has. */
  directRefused: number;
}

export function newCounters(): ReceiveCounters {
  return {
    hellos: 0,
    refused: 0,
    sessions: 0,
    frames: 0,
    frameBytes: 0,
    duplicates: 0,
    gaps: 0,
    malformed: 0,
    forged: 0,
    stale: 0,
    overrun: 0,
    queries: 0,
    directStreams: 0,
    directRefused: 0,
  };
}
