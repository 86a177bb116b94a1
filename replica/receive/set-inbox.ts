/**
 * The replica's side of the wire for one set: its sessions, of which one at a time may send; what
 * is acknowledged to the agent; and the events it has not handled yet.
 */
import { asAfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { decodeNote, encodeAck } from '../../shared/protocol/ack.js';
import { encodeEvents, type WireEvent } from '../../shared/protocol/events.js';
import type { Message, MessageType } from '../../shared/protocol/frame.js';
import { type SetAddress, subjectOf } from '../../shared/protocol/subject.js';
import { plainBody } from '../../shared/seal/sealing-key.js';
import type { TransportMessage } from '../../shared/transport/transport.js';
import type { AgentSession } from './agent-session.js';
import type { ReceiveCounters } from './counters.js';
import { EventLog } from './event-log.js';
import { FrameIntake } from './frame-intake.js';
import type { ArrivedFrames } from './hello-outcome.js';
import type { SessionCatalog } from './session-catalog.js';
import type { SetEvent, SetPort } from './set-port.js';
import { wireEventOf } from './wire-event.js';

/** Sessions that were offered and have not sealed anything yet. */
const PENDING_MAX = 4;
/** A missed frame is asked for at most this often. */
const GAP_MS = 50;
/** Credit goes back when this much was staged, or when nothing more came for a moment. */
const ACK_BYTES = 1024 * 1024;
const ACK_MS = 2;
/** Beats without news after which a set is quiet. */
const QUIET_BEATS = 8;

export interface SetInboxOptions {
  readonly address: SetAddress;
  readonly port: SetPort;
  readonly publish: (subject: string, bytes: Uint8Array) => void;
  readonly catalog: SessionCatalog;
  /** A session has come into force; with `isChange`, its key has, and those before it are refused. */
  readonly onKeys: (news: { readonly isChange: boolean }) => void;
  readonly counters: ReceiveCounters;
  readonly log: Log;
  /** Milliseconds that never jump. */
  readonly monotonic: () => number;
}

export class SetInbox {
  readonly address: SetAddress;
  readonly port: SetPort;
  readonly events = new EventLog();
  readonly #options: SetInboxOptions;
  readonly #intake: FrameIntake;
  readonly #subscription: { unsubscribe(): void };
  readonly #seenWaiters = new Set<() => void>();
  #current: AgentSession | undefined;
  #pending: AgentSession[] = [];
  #ackTimer: NodeJS.Timeout | undefined;
  #stagedBytes = 0;
  #gapSaidMs = -Infinity;
  #stalled: Extract<WireEvent, { type: 'stalled' }> | undefined;
  #beatsLeft = 0;
  #laneSaid = '';

  constructor(options: SetInboxOptions) {
    this.address = options.address;
    this.port = options.port;
    this.#options = options;
    this.#intake = new FrameIntake({
      port: options.port,
      log: options.log,
      onProgress: (bytes) => {
        this.#onStaged(bytes);
      },
      onBroken: (error) => {
        this.#broken(error);
      },
    });
    this.#subscription = options.port.onEvent((event) => {
      this.#onSetEvent(event);
    });
  }

  /** The session that may send, if one was confirmed. */
  get session(): AgentSession | undefined {
    return this.#current;
  }

  get arrived(): ArrivedFrames | null {
    const { stream, next, received, idle } = this.#intake;
    const { refusedSync } = this.events;
    return stream === undefined ? null : { stream, next, received, idle, refusedSync };
  }

  /** The session of this name that may send, or may soon. */
  find(id: string): AgentSession | undefined {
    if (this.#current?.id === id) return this.#current;
    return this.#pending.find((session) => session.id === id);
  }

  /** A session that becomes the current one when the agent first uses its keys. */
  offer(session: AgentSession): void {
    this.#pending.push(session);
    if (this.#pending.length > PENDING_MAX) this.#pending.shift();
  }

  /**
   * Ends the session and the offers that were begun under a key of the agent that is refused by now
   * (R23). Returns whether there was such a session.
   */
  fence(): boolean {
    this.#pending = this.#pending.filter((session) => this.#isGood(session));
    if (this.#current === undefined || this.#isGood(this.#current)) return false;
    this.#current = undefined;
    return true;
  }

  /** Ends the sessions and offers of the agent's processes other than the one with this stream. */
  fenceOthers(stream: string): void {
    const isIts = ({ hello }: AgentSession): boolean => hello.frames.stream === stream;
    this.#pending = this.#pending.filter(isIts);
    if (this.#current !== undefined && !isIts(this.#current)) this.#current = undefined;
  }

  /**
   * The decrypted body of a message of a known session, which that makes the current one. Undefined
   * for one that is unknown or fenced. Throws `frame-forged`.
   */
  open(message: Message): { session: AgentSession; body: Buffer } | undefined {
    const session = this.find(message.header.session);
    if (session === undefined) return undefined;
    const body = session.open.open(message);
    session.heardMs = this.#options.monotonic();
    if (session !== this.#current) {
      // Its key may have been replaced since its HELLO was answered.
      this.fence();
      if (!this.#pending.includes(session)) return undefined;
      this.#confirm(session);
    }
    return { session, body };
  }

  /** A records or note message that `open` has opened. */
  receive(message: Message, session: AgentSession, opened: OpenedBody): void {
    const { header } = message;
    const { body, release } = opened;
    if (header.type === 'note') {
      const { seen, watch, leaves } = decodeNote(body);
      session.watch = watch ?? session.watch;
      this.events.acknowledge(seen);
      for (const wake of this.#seenWaiters) wake();
      if (leaves === true) this.#current = undefined;
      else this.#sendAck(false);
      return;
    }
    session.recordsCounter = header.counter;
    this.#beatsLeft = QUIET_BEATS;
    const { counters } = this.#options;
    counters.frames += 1;
    counters.frameBytes += message.headerBytes.length + body.length + message.tag.length;
    switch (this.#intake.take({ header, body, release })) {
      case 'taken':
        return;
      case 'duplicate':
        counters.duplicates += 1;
        this.#scheduleAck();
        return;
      case 'overrun':
        counters.overrun += 1;
        return;
      case 'gap':
        counters.gaps += 1;
        this.#sayGap();
    }
  }

  /** Sends what the agent may have missed; called a few times a second. */
  beat(): void {
    if (this.#current === undefined) return;
    const busy = !this.#intake.idle || this.events.unseen.length > 0 || this.#isSyncUnderWay();
    if (busy) this.#beatsLeft = QUIET_BEATS;
    if (this.#beatsLeft <= 0) return;
    this.#beatsLeft -= 1;
    this.#sendAck(false);
    if (this.events.unseen.length > 0) this.#sendEvents();
  }

  /** Sends something that a living agent answers at once. */
  probe(): void {
    this.#sendEvents();
  }

  /** Sends an event; resolves true when the agent has handled it, false after `timeoutMs`. */
  tell(event: WireEvent, timeoutMs: number): Promise<boolean> {
    const serial = this.#push(event);
    return new Promise((resolve) => {
      const finish = (told: boolean): void => {
        clearTimeout(timer);
        this.#seenWaiters.delete(wake);
        resolve(told);
      };
      const wake = (): void => {
        if (this.events.seen >= serial) finish(true);
      };
      const timer = setTimeout(() => {
        this.events.settle(serial, (kept) => kept !== event);
        finish(false);
      }, timeoutMs);
      this.#seenWaiters.add(wake);
    });
  }

  /** Seals and sends a message in the current session: acknowledgements the way that frames come. */
  send(session: AgentSession, subject: string, type: MessageType, content: SealedContent): void {
    const { bytes } = session.seal.seal(plainBody(type, content.sequence, content.body));
    const { lane } = session;
    if (type === 'ack' && lane?.connected === true) lane.publish(subject, bytes);
    else this.#options.publish(subject, bytes);
  }

  close(): void {
    clearTimeout(this.#ackTimer);
    this.#subscription.unsubscribe();
    this.#intake.close();
    this.#current = undefined;
    this.#pending = [];
  }

  #isGood({ keys }: AgentSession): boolean {
    return this.#options.catalog.keys.isGood(this.address.agent, keys.agent);
  }

  #confirm(session: AgentSession): void {
    const { agent, set } = this.address;
    const { hello, keys } = session;
    const isChange = this.#options.catalog.confirmKeys({
      agent,
      publicKey: keys.agent,
      replicaKey: keys.replica,
      nextKeys: hello.nextKeys,
    });
    this.#options.catalog.confirmToken({
      agent,
      set,
      token: session.token,
      host: session.hello.host,
    });
    this.#options.counters.sessions += 1;
    this.#sayLane(session);
    this.#current = session;
    this.#pending = [];
    this.#intake.adopt(session.hello, session.decision);
    this.#options.onKeys({ isChange });
    const open = session.hello.frames.open?.sync;
    this.events.settle(
      session.serial,
      (event) =>
        event.type === 'sync-asked' ||
        event.type === 'restore-asked' ||
        (event.type === 'refused' && event.sync === open),
    );
    const { staged } = this.port.position();
    if (staged?.sealed === true) this.events.push({ type: 'sealed', sync: staged.sync });
    if (this.#stalled !== undefined) this.events.push(this.#stalled);
    this.#beatsLeft = QUIET_BEATS;
    if (this.events.unseen.length > 0) this.#sendEvents();
  }

  /** When it is another way than before. */
  #sayLane({ lane }: AgentSession): void {
    const said = lane === undefined ? 'through the broker' : 'directly';
    if (said === this.#laneSaid) return;
    this.#laneSaid = said;
    this.#options.log.info(`frames come ${said}`);
  }

  #onSetEvent(event: SetEvent): void {
    if (event.type === 'durable') {
      if (this.#intake.onDurable(event.boot, event.sequence)) this.#scheduleAck();
      return;
    }
    if (event.type === 'begun') return;
    const wire = wireEventOf(event);
    if (wire.type === 'stalled') {
      // said with every attempt; told when it is news
      if (this.#stalled?.code === wire.code && this.#stalled.message === wire.message) return;
      this.#stalled = wire;
    } else if (wire.type !== 'sealed' && wire.type !== 'wanted') {
      this.#stalled = undefined;
    }
    if (wire.type === 'sealed') this.#sendAck(false);
    this.#push(wire);
  }

  #push(event: WireEvent): number {
    const serial = this.events.push(event);
    this.#beatsLeft = QUIET_BEATS;
    this.#sendEvents();
    return serial;
  }

  /** A body that does not decompress, from an agent that sealed it: its sync is over. */
  #broken(error: unknown): void {
    const failure = asAfterimageError(error);
    this.#options.counters.malformed += 1;
    this.#options.log.error('a frame of an agent is broken', failure);
    const { staged } = this.port.position();
    const sync = staged?.sync ?? this.#current?.hello.frames.open?.sync;
    if (staged !== null && !staged.sealed) {
      this.port.abandon('a frame was broken').catch((cause: unknown) => {
        this.#options.log.error('a staged sync could not be dropped', cause);
      });
    }
    if (sync !== undefined) {
      this.#push({
        type: 'refused',
        sync,
        code: failure.code,
        message: failure.message,
        wants: [],
      });
    }
  }

  #isSyncUnderWay(): boolean {
    return this.port.position().staged !== null;
  }

  #onStaged(bytes: number): void {
    this.#stagedBytes += bytes;
    if (this.#stagedBytes >= ACK_BYTES) this.#sendAck(false);
    else this.#scheduleAck();
  }

  #scheduleAck(): void {
    this.#ackTimer ??= setTimeout(() => {
      this.#sendAck(false);
    }, ACK_MS);
  }

  #sayGap(): void {
    const nowMs = this.#options.monotonic();
    if (nowMs - this.#gapSaidMs < GAP_MS) return;
    this.#gapSaidMs = nowMs;
    this.#sendAck(true);
  }

  #sendAck(gap: boolean): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#stagedBytes = 0;
    const session = this.#current;
    if (session === undefined) return;
    const { next, received, durable } = this.#intake;
    const body = encodeAck({ next, received, durable, counter: session.recordsCounter, gap });
    this.send(session, subjectOf(this.address, 'ack'), 'ack', { sequence: 0, body });
  }

  #sendEvents(): void {
    const session = this.#current;
    if (session === undefined) return;
    const body = encodeEvents(this.events.unseen);
    this.send(session, subjectOf(this.address, 'ctl'), 'events', { sequence: 0, body });
  }
}

/** Body of a message; `release` gives back its memory, where that is of use. */
export interface OpenedBody {
  readonly body: Buffer;
  readonly release: TransportMessage['release'] | undefined;
}

export interface SealedContent {
  readonly sequence: number;
  readonly body: Uint8Array;
}
