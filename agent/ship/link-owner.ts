/** What the life of a set's session and the session itself ask and tell each other. */
import type { AfterimageError } from '../../shared/errors.js';
import type { Ack, Watch } from '../../shared/protocol/ack.js';
import type { WireEvent } from '../../shared/protocol/events.js';
import type { Hello } from '../../shared/protocol/hello.js';
import type { LiveSession } from './say-hello.js';

/** What a HELLO says, and what to do with the welcome that answers exactly it. */
export interface HelloAttempt {
  readonly state: Pick<Hello, 'position' | 'frames' | 'watch'>;
  readonly welcomed: (session: LiveSession) => void;
}

export type ToldEvent = Exclude<WireEvent, { type: 'say-hello' }>;

/** What the link asks and tells its session. None of these may throw but where it says so. */
export interface LinkOwner {
  attempt(): HelloAttempt;
  /** Whether the set is still at the point that a HELLO said. May throw. */
  standsAt(said: Hello['position']): boolean;
  /** What a note tells of the set. May throw: the note then tells nothing. */
  watch(): Watch | undefined;
  /** Throws `frame-malformed` for an acknowledgement of what was never sent. */
  acked(ack: Ack): void;
  told(event: ToldEvent): void;
  /** There is no session; said once for each reason. */
  away(error: AfterimageError): void;
  /** The session that lived does so no more. */
  broke(error: AfterimageError): void;
  /** Something was sent whose fate the replica has to tell. */
  readonly outstanding: boolean;
  /** Frames were sent whose arrival is not known. */
  readonly behind: boolean;
  /** A session that lives is not given up for a better way: its sync is at a delicate place. */
  readonly delicate: boolean;
  /** Grows when the arrival of frames becomes known. */
  readonly arrivedNext: number;
}
