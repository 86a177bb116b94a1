/**
 * One HELLO of one set: the handshake with the replica, with where the agent stands inside it, and
 * the new token stored before anything is sealed under the new keys (R14, R15).
 */
import { hostname } from 'node:os';
import { AfterimageError } from '../../shared/errors.js';
import { decodeMessage, encodeUnsealed } from '../../shared/protocol/frame.js';
import {
  decodeWelcome,
  encodeHello,
  errorCodeOf,
  type Hello,
  helloPrologue,
  type Welcome,
} from '../../shared/protocol/hello.js';
import { subjectOf } from '../../shared/protocol/subject.js';
import { Initiator } from '../../shared/seal/handshake.js';
import { OpeningKey, SealingKey } from '../../shared/seal/sealing-key.js';
import type { Transport } from '../../shared/transport/transport.js';
import type { AgentIdentity, SetTokens } from './identity.js';
import type { HelloKeys } from './key-rotation.js';

/** Keys of one session and what the replica said when it began. */
export interface LiveSession {
  readonly id: string;
  readonly seal: SealingKey;
  readonly open: OpeningKey;
  /** What proves a direct stream to be this session's. */
  readonly lane: Buffer;
  readonly welcome: Extract<Welcome, { type: 'welcome' }>;
  /** HELLO is to be said again soon: under other keys. */
  readonly keysChange: boolean;
}

export interface SayHelloOptions {
  readonly transport: Transport;
  readonly identity: AgentIdentity;
  readonly set: string;
  readonly timeoutMs: number;
  readonly state: Pick<
    Hello,
    'position' | 'frames' | 'seen' | 'windowBytes' | 'watch' | 'direct' | 'restores'
  >;
}

/**
 * Under the newest keys that the replica may know, then under older ones. Throws what the replica
 * refused with, or why there was no answer.
 */
export async function sayHello(options: SayHelloOptions): Promise<LiveSession> {
  const { identity } = options;
  let failure: unknown;
  for (const keys of identity.rotation?.helloKeys() ?? [keysOf(identity)]) {
    try {
      return await helloUnder(options, keys);
    } catch (error) {
      // only what another key may change is tried again
      if (!(error instanceof AfterimageError) || error.code !== 'identity-unknown') throw error;
      failure ??= error;
    }
  }
  throw failure;
}

function keysOf({ keys, replicaPublicKey }: AgentIdentity): HelloKeys {
  return { agent: keys, replica: replicaPublicKey, next: undefined };
}

async function helloUnder(options: SayHelloOptions, keys: HelloKeys): Promise<LiveSession> {
  const { identity, set } = options;
  const subject = subjectOf({ tenant: identity.tenant, agent: identity.agent, set }, 'hello');
  const initiator = new Initiator({
    prologue: helloPrologue(subject),
    identity: keys.agent,
    replicaPublicKey: keys.replica,
  });
  const stored = identity.readTokens(set);
  const offered = offeredTokens(stored);
  const hello = encodeHello({
    host: hostname().slice(0, 300),
    tokens: offered,
    enrolment: identity.enrolmentToken(),
    ...(keys.next === undefined ? {} : { nextKeys: keys.next }),
    ...options.state,
  });
  const request = encodeUnsealed('hello', initiator.hello(hello));
  const reply = decodeMessage(await options.transport.request(subject, request, options.timeoutMs));
  if (reply.header.type !== 'welcome') {
    throw new AfterimageError(
      'identity-unknown',
      'the replica there does not have the key that this agent was enrolled with, or no longer: an enrolment file from before its keys were changed is void',
    );
  }
  const { payload, secrets } = initiator.welcome(reply.body);
  const welcome = decodeWelcome(payload);
  if (welcome.type === 'refused') {
    throw new AfterimageError(errorCodeOf(welcome.code), welcome.message);
  }
  identity.writeTokens(set, tokensAfter(stored, offered, welcome));
  identity.enrolled();
  return {
    id: welcome.session,
    seal: new SealingKey(secrets.agentToReplica, welcome.session),
    open: new OpeningKey(secrets.replicaToAgent),
    lane: secrets.lane,
    welcome,
    keysChange: identity.rotation?.answered(keys, welcome) ?? false,
  };
}

function offeredTokens(stored: SetTokens | null): string[] {
  if (stored === null) return [];
  return stored.confirmed === null ? [stored.newest] : [stored.newest, stored.confirmed];
}

function tokensAfter(
  stored: SetTokens | null,
  offered: readonly string[],
  welcome: LiveSession['welcome'],
): SetTokens {
  const named = welcome.confirmed === null ? undefined : offered[welcome.confirmed];
  return { newest: welcome.token, confirmed: named ?? stored?.confirmed ?? null };
}
