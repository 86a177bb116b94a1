/**
 * Answers HELLOs: who it is, whether its token is the set's, where both sides stand. A HELLO by
 * itself changes nothing that lives: the session it offers begins when the agent uses its keys, so
 * a message that somebody recorded and sends again disturbs nobody (R14).
 */
import { createHash } from 'node:crypto';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { encodeUnsealed, type Message, PROTOCOL_VERSION } from '../../shared/protocol/frame.js';
import {
  decodeHello,
  encodeWelcome,
  type Hello,
  helloPrologue,
  type Welcome,
} from '../../shared/protocol/hello.js';
import { type SetAddress, subjectOf } from '../../shared/protocol/subject.js';
import { Responder } from '../../shared/seal/handshake.js';
import type { KeyPair } from '../../shared/seal/key-pair.js';
import { AgentSession, newSessionId } from './agent-session.js';
import type { ReceiveCounters } from './counters.js';
import { decideHello, type HelloDecision } from './hello-outcome.js';
import type { SessionCatalog } from './session-catalog.js';
import type { SetInbox } from './set-inbox.js';

/** Answers kept, so that the same first message gets the same second one. */
const ANSWERS_MAX = 64;
/** HELLOs of one agent that are worked on in a second; each costs a durable write or two. */
const HELLOS_PER_SECOND = 100;

export interface HelloDeskOptions {
  readonly identity: KeyPair;
  readonly catalog: SessionCatalog;
  readonly counters: ReceiveCounters;
  readonly log: Log;
  /** Names this process. */
  readonly epoch: string;
  readonly windowBytesMax: number;
  /** Milliseconds that never jump. */
  readonly monotonic: () => number;
  /** The inbox of a set; opens the set when nobody asked for it yet. */
  readonly inbox: (address: SetAddress) => Promise<SetInbox>;
}

export class HelloDesk {
  readonly #options: HelloDeskOptions;
  readonly #answers = new Map<string, Promise<Buffer>>();
  readonly #second = { startMs: -Infinity, hellos: new Map<string, number>(), warned: false };

  constructor(options: HelloDeskOptions) {
    this.#options = options;
  }

  /** The message to reply with; never rejects. */
  answer(address: SetAddress, message: Message): Promise<Buffer> {
    const key = createHash('sha256').update(message.body).digest('base64');
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#answerNew(address, Buffer.from(message.body));
    this.#answers.set(key, answer);
    if (this.#answers.size > ANSWERS_MAX) {
      const oldest = this.#answers.keys().next();
      if (oldest.done !== true) this.#answers.delete(oldest.value);
    }
    return answer;
  }

  async #answerNew(address: SetAddress, body: Uint8Array): Promise<Buffer> {
    const { counters } = this.#options;
    counters.hellos += 1;
    let responder: Responder;
    try {
      responder = new Responder({
        prologue: helloPrologue(subjectOf(address, 'hello')),
        identity: this.#options.identity,
        message: body,
      });
    } catch (error) {
      counters.forged += 1;
      this.#warn('a hello does not open', address, asAfterimageError(error));
      return encodeUnsealed('stale', Buffer.alloc(0));
    }
    try {
      return await this.#welcome(address, responder);
    } catch (error) {
      const failure = asAfterimageError(error);
      counters.refused += 1;
      this.#warn('a hello was refused', address, failure);
      return sealedAnswer(responder, {
        type: 'refused',
        code: failure.code,
        message: failure.message.slice(0, 2000),
      });
    }
  }

  async #welcome(address: SetAddress, responder: Responder): Promise<Buffer> {
    const { catalog, epoch, windowBytesMax } = this.#options;
    const hello = decodeHello(responder.payload);
    if (hello.protocol !== PROTOCOL_VERSION) {
      throw new AfterimageError('frame-malformed', `protocol version ${hello.protocol}`);
    }
    const { agent, set } = address;
    this.#count(agent);
    const { enrolment, host, tokens } = hello;
    catalog.admit({ agent, publicKey: responder.agentPublicKey, enrolment, host });
    const inbox = await this.#options.inbox(address);
    const decision = decide(hello, inbox);
    const { token, confirmed } = catalog.offerToken({ agent, set, tokens, host });
    const id = newSessionId();
    const { message, secrets } = responder.welcome(
      encodeWelcome({
        type: 'welcome',
        session: id,
        token,
        confirmed,
        outcome: decision.outcome,
        frames: decision.frames,
        epoch,
        windowBytes: Math.min(windowBytesMax, hello.windowBytes),
      }),
    );
    const serial = inbox.events.serial;
    inbox.offer(new AgentSession({ id, hello, decision, token, serial, secrets }));
    return encodeUnsealed('welcome', message);
  }

  /** Throws `timed-out` for an agent that says HELLO too often. */
  #count(agent: string): void {
    const { hellos } = this.#secondNow();
    const count = (hellos.get(agent) ?? 0) + 1;
    hellos.set(agent, count);
    if (count > HELLOS_PER_SECOND) {
      throw new AfterimageError('timed-out', `agent ${agent} says hello too often`);
    }
  }

  /** Once a second at most: anybody at the broker can be the cause. */
  #warn(message: string, address: SetAddress, error: AfterimageError): void {
    const second = this.#secondNow();
    if (second.warned) return;
    second.warned = true;
    const { agent, set } = address;
    this.#options.log.warn(message, { agent, set, code: error.code, error: error.message });
  }

  #secondNow(): { hellos: Map<string, number>; warned: boolean } {
    const nowMs = this.#options.monotonic();
    if (nowMs - this.#second.startMs >= 1000) {
      this.#second.startMs = nowMs;
      this.#second.hellos.clear();
      this.#second.warned = false;
    }
    return this.#second;
  }
}

function decide(hello: Hello, inbox: SetInbox): HelloDecision {
  const decision = decideHello(hello, inbox.port.position(), inbox.arrived);
  if (decision !== 'wait') return decision;
  throw new AfterimageError('timed-out', 'a sync of this set is being applied; ask again');
}

function sealedAnswer(responder: Responder, welcome: Welcome): Buffer {
  return encodeUnsealed('welcome', responder.welcome(encodeWelcome(welcome)).message);
}
