/** One session of one set: the keys of a HELLO, and what they have opened so far. */
import { randomBytes } from 'node:crypto';
import type { Watch } from '../../shared/protocol/ack.js';
import type { Hello } from '../../shared/protocol/hello.js';
import type { SessionSecrets } from '../../shared/seal/handshake.js';
import { OpeningKey, SealingKey } from '../../shared/seal/sealing-key.js';
import type { Transport } from '../../shared/transport/transport.js';
import type { HelloDecision } from './hello-outcome.js';

const SESSION_ID_BYTES = 8;

/** Raw public keys, 32 bytes each. */
export interface SessionKeys {
  readonly agent: Buffer;
  readonly replica: Buffer;
}

/** A name for a session that was never used before. */
export function newSessionId(): string {
  return randomBytes(SESSION_ID_BYTES).toString('hex');
}

export class AgentSession {
  readonly id: string;
  readonly hello: Hello;
  readonly decision: HelloDecision;
  /** The token that the agent shows to have stored by sealing anything. */
  readonly token: string;
  /** Newest event when the agent's position was compared. */
  readonly serial: number;
  readonly seal: SealingKey;
  readonly open: OpeningKey;
  /** Under which keys HELLO was said: the agent's, and the replica's. */
  readonly keys: SessionKeys;
  /** The direct stream that carries its frames and acknowledgements; undefined for the broker (R15). */
  readonly lane: Transport | undefined;
  /** What proves a direct stream to be this session's. */
  readonly laneKey: Buffer;
  /** Highest counter of a records message opened. */
  recordsCounter = 0;
  heardMs = 0;
  /** How well the agent knows the set, as it told last; undefined when it did not. */
  watch: Watch | undefined;

  constructor(options: {
    readonly id: string;
    readonly hello: Hello;
    readonly decision: HelloDecision;
    readonly token: string;
    readonly serial: number;
    readonly secrets: SessionSecrets;
    readonly keys: SessionKeys;
    readonly lane?: Transport | undefined;
  }) {
    this.keys = options.keys;
    this.lane = options.lane;
    this.laneKey = options.secrets.lane;
    this.id = options.id;
    this.watch = options.hello.watch;
    this.hello = options.hello;
    this.decision = options.decision;
    this.token = options.token;
    this.serial = options.serial;
    this.seal = new SealingKey(options.secrets.replicaToAgent, options.id);
    this.open = new OpeningKey(options.secrets.agentToReplica);
  }
}
