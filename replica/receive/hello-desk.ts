/**
 * Answers HELLOs: who it is, whether its token is the set's, where both sides stand. A HELLO by
 * itself changes nothing that lives: the session it offers begins when the agent uses its keys, so
 * a message that somebody recorded and sends again disturbs nobody (R14).
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
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
import type { DirectLanes } from './direct-lanes.js';
import { decideHello, type HelloDecision } from './hello-outcome.js';
import type { SessionCatalog } from './session-catalog.js';
import type { SetInbox } from './set-inbox.js';

/** Answers kept, so that the same first message gets the same second one. */
const ANSWERS_MAX = 64;
/** HELLOs of one agent that are worked on in a second; each costs a durable write or two. */
const HELLOS_PER_SECOND = 100;
/** An agent that lives answers within this; one whose process was killed never does. */
const ALIVE_MS = 700;
const ASK_EVERY_MS = 50;
/** Longer silent than this, nobody is asked: it pings every 5 s. */
const SILENT_MS_MAX = 15_000;
const TELL_MS = 5_000;
/** A machine that is refused asks again every 2 s. */
const REFUSAL_MS = 15_000;
const REFUSALS_MAX = 1_000;

export interface HelloDeskOptions {
  /** The replica's keys, newest first: HELLO may be said to any of them (R23). */
  readonly identities: () => readonly KeyPair[];
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
  /** Undefined where agents reach the replica through the broker only. */
  readonly lanes?: Pick<DirectLanes, 'answer' | 'ready'> | undefined;
}

export class HelloDesk {
  readonly #options: HelloDeskOptions;
  readonly #answers = new Map<string, Promise<Buffer>>();
  readonly #refusals = new Map<
    string,
    { readonly error: AfterimageError; readonly atMs: number }
  >();
  /** Sessions that did not answer, with when they were heard last. */
  readonly #silent = new WeakMap<AgentSession, number>();
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
    let opened: OpenedHello;
    try {
      opened = this.#opened(address, body);
    } catch (error) {
      counters.forged += 1;
      this.#warn('a hello does not open', address, asAfterimageError(error));
      return encodeUnsealed('stale', Buffer.alloc(0));
    }
    const { responder } = opened;
    try {
      return await this.#welcome(address, opened);
    } catch (error) {
      const failure = asAfterimageError(error);
      counters.refused += 1;
      this.#keepRefusal(address, failure);
      this.#warn('a hello was refused', address, failure);
      return sealedAnswer(responder, {
        type: 'refused',
        code: failure.code,
        message: failure.message.slice(0, 2000),
      });
    }
  }

  /** Throws `frame-forged` when it was said to none of our keys. */
  #opened(address: SetAddress, message: Uint8Array): OpenedHello {
    const prologue = helloPrologue(subjectOf(address, 'hello'));
    let failure: unknown;
    for (const identity of this.#options.identities()) {
      try {
        return { responder: new Responder({ prologue, identity, message }), identity };
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  async #welcome(address: SetAddress, opened: OpenedHello): Promise<Buffer> {
    const { responder, identity } = opened;
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
    // an agent that says HELLO first would not be told of it before its next
    await this.#options.lanes?.ready;
    const takesOver = await this.#admitOne({ address, hello, inbox });
    const decision = decide(hello, inbox);
    const { token, confirmed } = catalog.offerToken({ agent, set, tokens, host, takesOver });
    // what it is told of the sync it ended must stay true: nothing more of an older process may come
    if (hello.position.ended !== null) inbox.fenceOthers(hello.frames.stream);
    this.#refusals.delete(keyOf(address));
    const id = newSessionId();
    const { direct, lane } = this.#options.lanes?.answer(address, hello) ?? {};
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
        ...this.#keyNews(agent, hello, identity),
        ...(direct === undefined ? {} : { direct }),
      }),
    );
    const keys = { agent: responder.agentPublicKey, replica: identity.publicKey };
    const serial = inbox.events.serial;
    inbox.offer(new AgentSession({ id, hello, decision, token, serial, secrets, keys, lane }));
    return encodeUnsealed('welcome', message);
  }

  /** Why a machine was refused for its tokens within the last seconds; null when none was. */
  refusalOf(address: SetAddress): AfterimageError | null {
    const refusal = this.#refusals.get(keyOf(address));
    if (refusal === undefined) return null;
    return this.#options.monotonic() - refusal.atMs > REFUSAL_MS ? null : refusal.error;
  }

  /**
   * Two machines with one identity, each with a token that is good: the one that is connected and
   * alive stays, unless an operator adopted the other. Returns whether that is so. Throws
   * `identity-in-use`.
   */
  async #admitOne(one: {
    readonly address: SetAddress;
    readonly hello: Hello;
    readonly inbox: SetInbox;
  }): Promise<boolean> {
    const { hello, inbox } = one;
    const { agent, set } = one.address;
    const { host, tokens } = hello;
    const { shown, adopting } = this.#options.catalog.judgeTokens({ agent, set, tokens });
    const holder = inbox.session;
    if (holder === undefined || holder.hello.frames.stream === hello.frames.stream) return false;
    if (shown === 'stale' || adopting) return adopting;
    if (shown === 'newer') return false;
    // Found silent once, it is not waited for again.
    if (this.#silent.get(holder) === holder.heardMs) return false;
    if (!(await isAlive(inbox, holder, this.#options.monotonic))) {
      this.#silent.set(holder, holder.heardMs);
      return false;
    }
    // The holder's next HELLO makes the token void that both of them have.
    void inbox.tell({ type: 'say-hello' }, TELL_MS);
    const there = holder.hello.host;
    throw new AfterimageError(
      'identity-in-use',
      `agent ${agent} on ${host} has the identity of one that is connected from ${there} for set ${set}`,
      { facts: { agent, set, host } },
    );
  }

  #keepRefusal(address: SetAddress, error: AfterimageError): void {
    if (error.code !== 'identity-in-use') return;
    if (this.#refusals.size >= REFUSALS_MAX) this.#refusals.clear();
    this.#refusals.set(keyOf(address), { error, atMs: this.#options.monotonic() });
  }

  /** What an agent has to know of keys that change. */
  #keyNews(agent: string, hello: Hello, identity: KeyPair): KeyNews {
    const [newest] = this.#options.identities();
    const keysAsked =
      hello.nextKeys === undefined ? this.#options.catalog.keys.asked(agent) : undefined;
    const isNewest = newest === undefined || newest.publicKey.equals(identity.publicKey);
    return {
      ...(keysAsked === undefined ? {} : { keysAsked }),
      ...(isNewest ? {} : { replicaPublicKey: newest.publicKey.toString('base64url') }),
    };
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

type KeyNews = Pick<Extract<Welcome, { type: 'welcome' }>, 'keysAsked' | 'replicaPublicKey'>;

interface OpenedHello {
  readonly responder: Responder;
  readonly identity: KeyPair;
}

function decide(hello: Hello, inbox: SetInbox): HelloDecision {
  const decision = decideHello(hello, inbox.port.position(), inbox.arrived);
  if (decision !== 'wait') return decision;
  throw new AfterimageError('timed-out', 'a sync of this set is being applied; ask again');
}

/** Asks the process that holds a set whether it is still there. */
async function isAlive(
  inbox: SetInbox,
  holder: AgentSession,
  monotonic: () => number,
): Promise<boolean> {
  const askedMs = monotonic();
  if (askedMs - holder.heardMs > SILENT_MS_MAX) return false;
  const heardMs = holder.heardMs;
  while (inbox.session === holder && monotonic() - askedMs < ALIVE_MS) {
    inbox.probe();
    await delay(ASK_EVERY_MS);
    if (holder.heardMs > heardMs) return true;
  }
  return false;
}

function keyOf({ agent, set }: SetAddress): string {
  return `${agent}/${set}`;
}

function sealedAnswer(responder: Responder, welcome: Welcome): Buffer {
  return encodeUnsealed('welcome', responder.welcome(encodeWelcome(welcome)).message);
}
