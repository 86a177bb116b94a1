/**
 * The replica's door to the wire: takes the messages of every agent of a tenant, gives each set's
 * frames to its writer in order, and answers. Whatever arrives is decoded within bounds, counted
 * and refused when it is not right; nothing that arrives can stop it.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { WireEvent } from '../../shared/protocol/events.js';
import { decodeMessage, encodeUnsealed, type Message } from '../../shared/protocol/frame.js';
import {
  parseSubject,
  type SetAddress,
  subjectOf,
  tenantSubject,
} from '../../shared/protocol/subject.js';
import type { KeyPair } from '../../shared/seal/key-pair.js';
import type { Transport, TransportMessage } from '../../shared/transport/transport.js';
import type { AgentSession } from './agent-session.js';
import { type AnswerRestore, QueryDesk } from './answer-query.js';
import { newCounters, type ReceiveCounters } from './counters.js';
import { DirectLanes, type DirectListen } from './direct-lanes.js';
import { HelloDesk } from './hello-desk.js';
import type { SessionCatalog } from './session-catalog.js';
import { agentAway, type SessionStatus, sessionStatus } from './session-status.js';
import { SetInbox } from './set-inbox.js';
import type { OpenSet } from './set-port.js';

export interface ReceiverOptions {
  readonly transport: Transport;
  readonly tenant: string;
  /** The replica's static keys, which every agent was enrolled with. */
  readonly identity: KeyPair;
  /** Keys that it had before, for agents that do not know the newest yet; none unless told. */
  readonly olderIdentities?: () => readonly KeyPair[];
  /** An agent has come in, perhaps with a newer key of the replica. */
  readonly onReplicaKeyUsed?: () => void;
  readonly catalog: SessionCatalog;
  readonly openSet: OpenSet;
  readonly log: Log;
  readonly clock?: Clock;
  /** Where agents may send frames past the broker; nowhere unless told. */
  readonly direct?: DirectListen | undefined;
  /** Credit that an agent may ask for, in bytes; 16 MiB unless told. */
  readonly windowBytesMax?: number;
  /** Acknowledgements are repeated this often while a sync is under way. */
  readonly beatMs?: number;
  /** Answers questions about restores that agents are asked for; none are unless told. */
  readonly restores?: AnswerRestores;
}

interface AskedAgent {
  readonly agent: string;
  readonly set: string;
  readonly timeoutMs?: number;
}

export interface Receiver {
  readonly counters: Readonly<ReceiveCounters>;
  /** Where direct streams are taken; undefined while none are. */
  readonly directPort: number | undefined;
  sessions(): SessionStatus[];
  /** Asks an agent for a sync now. Throws `agent-away` when it does not confirm within the time. */
  askSync(
    // The request comes back to the agent's pipeline as it is: the job's name.
    request: AskedAgent & { readonly request: string },
  ): Promise<void>;
  /** Tells an agent of a restore that it is asked for. Throws as `askSync`. */
  askRestore(request: AskedAgent & { readonly order: string }): Promise<void>;
  close(): void;
}

const WINDOW_BYTES_MAX = 16 * 1024 * 1024;
const BEAT_MS = 250;
const ASK_MS = 5000;
/** What an operator wrote into the catalog is looked for this often. */
const LOOK_MS = 1000;
/** "Say hello" is told to one set at most this often. */
const STALE_MS = 100;
const STALE_SETS_MAX = 10_000;

export function createReceiver(options: ReceiverOptions): Receiver {
  return new WireReceiver(options);
}

/** The same for agents of any set. */
type AnswerRestores = (
  at: { readonly agent: string; readonly set: string },
  question: Uint8Array,
) => ReturnType<AnswerRestore>;

interface OpenedSet {
  readonly inbox: SetInbox;
  readonly queries: QueryDesk;
}

class WireReceiver implements Receiver {
  readonly counters = newCounters();
  readonly #options: ReceiverOptions;
  readonly #transport: Transport;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #sets = new Map<string, OpenedSet>();
  readonly #opening = new Map<string, Promise<OpenedSet>>();
  readonly #desk: HelloDesk;
  readonly #lanes: DirectLanes | undefined;
  readonly #staleSaidMs = new Map<string, number>();
  readonly #stop: (() => void)[] = [];
  /** Told at their live sessions, until one hears it; an agent without one learns it at its next HELLO. */
  #keysAsked = new Set<string>();
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#transport = options.transport;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.#lanes = options.direct === undefined ? undefined : this.#openLanes(options.direct);
    this.#desk = new HelloDesk({
      lanes: this.#lanes,
      identities: () => [options.identity, ...(options.olderIdentities?.() ?? [])],
      catalog: options.catalog,
      counters: this.counters,
      log: options.log,
      epoch: randomBytes(8).toString('hex'),
      windowBytesMax: options.windowBytesMax ?? WINDOW_BYTES_MAX,
      monotonic: () => this.#clock.monotonic(),
      inbox: async (address) => (await this.#open(address)).inbox,
    });
    this.#listen(options.tenant);
    for (const { agent, set } of options.catalog.listSets()) {
      this.#sayStale({ tenant: options.tenant, agent, set });
    }
  }

  get directPort(): number | undefined {
    return this.#lanes?.port;
  }

  sessions(): SessionStatus[] {
    const nowMs = this.#clock.monotonic();
    return [...this.#sets.values()].map(({ inbox }) =>
      sessionStatus(inbox, nowMs, this.#desk.refusalOf(inbox.address)),
    );
  }

  async askSync({ request, ...to }: Parameters<Receiver['askSync']>[0]): Promise<void> {
    await this.#tell(to, { type: 'sync-asked', request });
  }

  async askRestore({ order, ...to }: Parameters<Receiver['askRestore']>[0]): Promise<void> {
    const restores = this.#sets.get(keyOf(to))?.inbox.session?.hello.restores;
    if (restores === undefined) throw agentAway(to);
    await this.#tell(to, { type: 'restore-asked', order });
  }

  async #tell(to: AskedAgent, event: WireEvent): Promise<void> {
    const inbox = this.#sets.get(keyOf(to))?.inbox;
    const timeoutMs = to.timeoutMs ?? ASK_MS;
    const told = inbox?.session !== undefined && (await inbox.tell(event, timeoutMs));
    if (!told) throw agentAway(to);
  }

  close(): void {
    this.#closed = true;
    void this.#lanes?.close();
    for (const stop of this.#stop) stop();
    for (const { inbox } of this.#sets.values()) inbox.close();
    this.#sets.clear();
  }

  #listen(tenant: string): void {
    for (const lane of ['hello', 'up', 'has'] as const) {
      const subscription = this.#transport.subscribe(tenantSubject(tenant, lane), (message) => {
        this.#receive(message);
      });
      this.#stop.push(() => {
        subscription.unsubscribe();
      });
    }
    const status = this.#transport.onStatus((change) => {
      if (change.type !== 'permission-violation') return;
      const error = new AfterimageError(
        'permission-violation',
        `the broker refused ${change.subject}`,
      );
      this.#log.error('the broker refused a subject', error);
    });
    const beat = setInterval(() => {
      for (const { inbox } of this.#sets.values())
        this.#guard(() => {
          inbox.beat();
        });
    }, this.#options.beatMs ?? BEAT_MS).unref();
    const ask = setInterval(() => {
      this.#guard(() => {
        this.#askForKeys();
        this.#fence();
      });
    }, LOOK_MS).unref();
    this.#stop.push(() => {
      status.unsubscribe();
      clearInterval(beat);
      clearInterval(ask);
    });
  }

  #openLanes(listen: DirectListen): DirectLanes {
    return new DirectLanes({
      listen,
      find: (id) => {
        for (const { inbox } of this.#sets.values()) {
          const session = inbox.find(id);
          if (session !== undefined) return { session, address: inbox.address };
        }
        return undefined;
      },
      receive: (message) => {
        if (!this.#closed) this.#receive(message);
      },
      counters: this.counters,
      log: this.#log,
      monotonic: () => this.#clock.monotonic(),
    });
  }

  #receive(message: TransportMessage): void {
    this.#guard(() => {
      const address = parseSubject(message.subject);
      if (address === undefined) {
        this.counters.malformed += 1;
        return;
      }
      const decoded = decodeMessage(message.data);
      if (address.lane === 'hello') this.#onHello(address, decoded, message.reply);
      else this.#onSealed(address, decoded, message);
    });
  }

  #onHello(address: SetAddress, message: Message, reply: string | undefined): void {
    if (message.header.type !== 'hello' || reply === undefined) {
      this.counters.malformed += 1;
      return;
    }
    void this.#desk.answer(address, message).then((answer) => {
      if (!this.#closed) this.#publish(reply, answer);
    });
  }

  #onSealed(
    address: SetAddress,
    message: Message,
    { reply, release }: Pick<TransportMessage, 'reply' | 'release'>,
  ): void {
    const opened = this.#sets.get(keyOf(address));
    const known = opened?.inbox.open(message);
    if (opened === undefined || known === undefined) {
      this.counters.stale += 1;
      this.#sayStale(address, reply);
      return;
    }
    const { session, body } = known;
    const { type } = message.header;
    if (type === 'query' && reply !== undefined) {
      this.#onQuery(opened, session, { number: message.header.sequence, body, reply });
    } else if (type === 'records' || type === 'note') {
      opened.inbox.receive(message, session, { body, release });
    } else {
      this.counters.malformed += 1;
    }
  }

  #onQuery(
    { inbox, queries }: OpenedSet,
    session: AgentSession,
    question: { readonly number: number; readonly body: Uint8Array; readonly reply: string },
  ): void {
    this.counters.queries += 1;
    void queries.answer(question.body).then((body) => {
      if (this.#closed) return;
      inbox.send(session, question.reply, 'answer', { sequence: question.number, body });
    });
  }

  #open(address: SetAddress): Promise<OpenedSet> {
    const key = keyOf(address);
    const opened = this.#sets.get(key);
    if (opened !== undefined) return Promise.resolve(opened);
    const waiting = this.#opening.get(key);
    if (waiting !== undefined) return waiting;
    const opening = this.#openNow(address, key).finally(() => {
      this.#opening.delete(key);
    });
    this.#opening.set(key, opening);
    return opening;
  }

  async #openNow(address: SetAddress, key: string): Promise<OpenedSet> {
    const { agent, set } = address;
    const port = await this.#options.openSet({ set, agent });
    const inbox = new SetInbox({
      address: { tenant: address.tenant, agent, set },
      port,
      publish: (subject, bytes) => {
        this.#publish(subject, bytes);
      },
      catalog: this.#options.catalog,
      counters: this.counters,
      onKeys: (news) => {
        this.#onKeys(address, news);
      },
      log: this.#log.with({ agent, set }),
      monotonic: () => this.#clock.monotonic(),
    });
    const { restores } = this.#options;
    const answer = restores && ((question: Uint8Array) => restores({ agent, set }, question));
    const opened = { inbox, queries: new QueryDesk(port, answer) };
    this.#sets.set(key, opened);
    return opened;
  }

  #onKeys({ agent }: SetAddress, news: { readonly isChange: boolean }): void {
    this.#options.onReplicaKeyUsed?.();
    if (!news.isChange) return;
    this.#log.info('an agent changed its key; the old one is refused', { agent });
    this.#fence();
  }

  /** Ends sessions under keys that are refused by now, whoever replaced them: an agent or the operator. */
  #fence(): void {
    for (const { inbox } of this.#sets.values()) {
      if (!inbox.fence()) continue;
      this.#lanes?.end(inbox.address, 'the key of the agent is refused');
      this.#sayStale(inbox.address);
    }
  }

  /** Agents that the operator asks for new keys say HELLO, and learn it. */
  #askForKeys(): void {
    const asked = this.#options.catalog.keys.allAsked();
    for (const agent of asked) {
      if (this.#keysAsked.has(agent)) continue;
      for (const { inbox } of this.#sets.values()) {
        if (inbox.address.agent !== agent || inbox.session === undefined) continue;
        void inbox.tell({ type: 'say-hello' }, ASK_MS).then((told) => {
          if (!told) this.#keysAsked.delete(agent);
        });
        break;
      }
    }
    this.#keysAsked = new Set(asked);
  }

  /** Tells an agent that its session is unknown here, so that it says HELLO at once. */
  #sayStale(address: SetAddress, reply?: string): void {
    const hint = encodeUnsealed('stale', Buffer.alloc(0));
    if (reply !== undefined) this.#publish(reply, hint);
    const key = keyOf(address);
    const nowMs = this.#clock.monotonic();
    if (nowMs - (this.#staleSaidMs.get(key) ?? -Infinity) < STALE_MS) return;
    if (this.#staleSaidMs.size >= STALE_SETS_MAX) this.#staleSaidMs.clear();
    this.#staleSaidMs.set(key, nowMs);
    this.#publish(subjectOf(address, 'ack'), hint);
  }

  #publish(subject: string, bytes: Uint8Array): void {
    if (this.#transport.connected) this.#transport.publish(subject, bytes);
  }

  /** Counts what a message did wrong; nothing gets past. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const code = error instanceof AfterimageError ? error.code : 'internal';
      if (code === 'frame-malformed') this.counters.malformed += 1;
      else if (code === 'frame-forged') this.counters.forged += 1;
      else this.#log.error('a message could not be handled', error);
    }
  }
}

function keyOf(address: { readonly agent: string; readonly set: string }): string {
  return `${address.agent}/${address.set}`;
}
