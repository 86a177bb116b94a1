/** How the set of an agent is connected, as operators are told. */
import { AfterimageError } from '../../shared/errors.js';
import type { Watch } from '../../shared/protocol/ack.js';
import type { SetInbox } from './set-inbox.js';

/** An agent pings every 5 s: silent for longer, it is away. */
const SILENT_MS_MAX = 15_000;

/** How an agent's set is connected, for the operator. */
export interface SessionStatus {
  readonly agent: string;
  readonly set: string;
  readonly live: boolean;
  /** Milliseconds since the agent was heard. */
  readonly silentMs: number;
  readonly host: string;
  /** Which way its frames come. */
  readonly lane: 'broker' | 'direct';
  /** How well the agent knows the set, as it told within the last seconds; null when it is away. */
  readonly watch: Watch | null;
  /** Why a machine was refused a moment ago; null when none was. */
  readonly refused: AfterimageError | null;
  /** What its configuration says of restores to its host; null when it knows nothing of them. */
  readonly restores: 'in-place' | 'none' | null;
}

/** @param nowMs by a clock that never jumps */
export function sessionStatus(
  { address: { agent, set }, session }: SetInbox,
  nowMs: number,
  refused: AfterimageError | null,
): SessionStatus {
  const silentMs = session === undefined ? Infinity : nowMs - session.heardMs;
  const live = silentMs <= SILENT_MS_MAX;
  return {
    agent,
    set,
    live,
    silentMs,
    host: session?.hello.host ?? '',
    lane: session?.lane === undefined ? 'broker' : 'direct',
    watch: live ? (session?.watch ?? null) : null,
    refused,
    restores: session?.hello.restores ?? null,
  };
}

export function agentAway({ agent, set }: { agent: string; set: string }): AfterimageError {
  return new AfterimageError('agent-away', `agent ${agent} of set ${set} does not answer`, {
    facts: { agent, set },
  });
}
