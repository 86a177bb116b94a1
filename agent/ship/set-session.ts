/**
 * The agent's side of the wire for one set: says HELLO and says it again after every break, ships
 * records in order, keeps them until the replica has them durably, and passes on what the replica
 * reports. The contract is session.ts; the protocol is in docs/design/protocol.md.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../../shared/clock.js';
import { AfterimageError, asAfterimageError, messageOf } from '../../shared/errors.js';
import { FRAME_TARGET_BYTES } from '../../shared/limits.js';
import { type Log, silentLog } from '../../shared/log.js';
import { decodeAck, encodeNote } from '../../shared/protocol/ack.js';
import { decodeEvents, type WireEvent } from '../../shared/protocol/events.js';
import { decodeMessage, isSealedType } from '../../shared/protocol/frame.js';
import { errorCodeOf, type Hello, type WireOutcome } from '../../shared/protocol/hello.js';
import type { EndRecord, SyncRecord } from '../../shared/protocol/records.js';
import { checkWireName, type Lane, subjectOf } from '../../shared/protocol/subject.js';
import { plainBody } from '../../shared/seal/sealing-key.js';
import type {
  Subscription,
  Transport,
  TransportMessage,
} from '../../shared/transport/transport.js';
import { FrameBuilder } from './frame-builder.js';
import type { AgentIdentity } from './identity.js';
import { type CutFrame, KeptFrames } from './kept-frames.js';
import { OutStream } from './out-stream.js';
import { type LiveSession, sayHello } from './say-hello.js';
import type { AgentPosition, HelloOutcome, SessionEvent, SetSession } from './session.js';
import { SetQuestions } from './set-questions.js';
import { Spool } from './spool.js';

/** Milliseconds; tests shorten them. */
export interface SessionTiming {
  /** Silence, while something is outstanding, after which HELLO is said again. */
  readonly watchdogMs: number;
  /** An idle session shows that it lives this often. */
  readonly pingMs: number;
  readonly helloTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

export interface SetSessionOptions {
  /** Shared by all sets of the agent; closed by whoever made it. */
  readonly transport: Transport;
  readonly identity: AgentIdentity;
  readonly set: string;
  /** Where frames go that memory has no room for, and how many bytes of them at most (R11). */
  readonly spool: { readonly folder: string; readonly bytesMax: number };
  /** Credit window, 4 MiB unless told; the replica may allow less. */
  readonly windowBytes?: number;
  /** Bytes of unacknowledged frames kept in memory before the spool is used. */
  readonly memoryBytesMax?: number;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly timing?: Partial<SessionTiming>;
}

const timingDefaults: SessionTiming = {
  watchdogMs: 1000,
  pingMs: 5000,
  helloTimeoutMs: 5000,
  backoffMinMs: 50,
  backoffMaxMs: 2000,
};
const WINDOW_BYTES = 4 * 1024 * 1024;
const MEMORY_BYTES_MAX = 32 * 1024 * 1024;
/** Frames cut but not sent, before `write` waits. */
const UNSENT_BYTES_MAX = 4 * FRAME_TARGET_BYTES;

/** The sync whose `begin` was written and whose fate is not known. */
interface OpenSync {
  readonly sync: number;
  /** Sequence of its first frame, and of its last once `end` was written. */
  begin: number;
  end: number | null;
  sealed: boolean;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: AfterimageError) => void;
}

export function createSetSession(options: SetSessionOptions): SetSession {
  checkWireName('set', options.set);
  return new Session(options);
}

class Session implements SetSession {
  readonly set: string;
  readonly #transport: Transport;
  readonly #identity: AgentIdentity;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #timing: SessionTiming;
  readonly #windowBytes: number;
  readonly #stream = randomBytes(16).toString('hex');
  readonly #spool: Spool;
  readonly #out: OutStream;
  readonly #builder: FrameBuilder;
  readonly #questions: SetQuestions;
  readonly #subscriptions: Subscription[] = [];
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  #waiters: Waiter[] = [];
  #sessionWaiters: {
    resolve: (session: LiveSession) => void;
    reject: (error: AfterimageError) => void;
  }[] = [];
  #position: (() => AgentPosition) | undefined;
  #firstOutcome: ((outcome: HelloOutcome) => void) | undefined;
  #session: LiveSession | undefined;
  #open: OpenSync | null = null;
  /** Why the open sync cannot go on; until `drop`. */
  #failure: AfterimageError | undefined;
  #held = false;
  #closed = false;
  #connecting = false;
  #kick: (() => void) | undefined;
  #toldAway: string | undefined;
  #epoch = '0'.repeat(16);
  #seen = 0;
  #sentBytes = 0;
  #heardMs = 0;
  #saidMs = 0;
  #progressMs = 0;
  #awaitsReply = false;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(options: SetSessionOptions) {
    this.set = options.set;
    this.#transport = options.transport;
    this.#identity = options.identity;
    this.#log = (options.log ?? silentLog).with({ set: options.set });
    this.#clock = options.clock ?? systemClock;
    this.#timing = { ...timingDefaults, ...options.timing };
    this.#windowBytes = options.windowBytes ?? WINDOW_BYTES;
    this.#spool = new Spool(options.spool);
    const memoryBytesMax = options.memoryBytesMax ?? MEMORY_BYTES_MAX;
    this.#out = new OutStream(new KeptFrames({ spool: this.#spool, memoryBytesMax }));
    this.#builder = new FrameBuilder((frame) => {
      this.#keep(frame);
    });
    this.#questions = new SetQuestions({
      transport: this.#transport,
      subject: this.#subject('has'),
      session: () => this.#liveSession(),
    });
  }

  get live(): boolean {
    return this.#session !== undefined;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  start(position: () => AgentPosition): Promise<HelloOutcome> {
    this.#position = position;
    const transport = this.#transport;
    this.#subscriptions.push(
      transport.subscribe(this.#subject('ack'), (message) => {
        this.#receive(message);
      }),
      transport.subscribe(this.#subject('ctl'), (message) => {
        this.#receive(message);
      }),
      transport.onStatus((status) => {
        if (status.type === 'permission-violation') this.#forbidden(status.subject);
        else if (status.type === 'disconnected') this.#break(brokerAway());
        else if (status.type === 'reconnected') this.#kick?.();
      }),
    );
    const tickMs = Math.max(5, Math.ceil(this.#timing.watchdogMs / 8));
    this.#watchdog = setInterval(() => {
      this.#watch();
    }, tickMs).unref();
    return new Promise((resolve) => {
      this.#firstOutcome = resolve;
      void this.#connect();
    });
  }

  write(record: SyncRecord): Promise<void> | undefined {
    if (this.#closed) return Promise.reject(sessionClosed());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (record.type === 'begin') {
      this.#builder.cut();
      this.#open = { sync: record.sync, begin: this.#out.kept.next, end: null, sealed: false };
    }
    this.#builder.add(record);
    if (record.type === 'end') {
      this.#builder.cut();
      if (this.#open !== null) this.#open.end = this.#out.kept.next - 1;
    }
    const failure = this.#failureNow();
    if (failure !== undefined) return Promise.reject(failure);
    if (!this.#blocked()) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  flush(): void {
    this.#builder.cut();
  }

  hold(held: boolean): void {
    this.#held = held;
    if (!held) return;
    this.#wake();
    const reason = new AfterimageError('replica-unreachable', 'the application is held');
    this.#giveUpQuestions(reason);
  }

  drop(): void {
    const { kept } = this.#out;
    const unfinished = this.#open !== null && !this.#open.sealed;
    const left = kept.first < kept.next || this.#builder.bytes > 0;
    const restart = unfinished || left || this.#failure !== undefined;
    this.#builder.discard();
    kept.clear();
    this.#open = null;
    this.#failure = undefined;
    if (restart) kept.restart();
    this.#out.resend();
    this.#wake();
  }

  manifestDigest(end?: EndRecord): Buffer {
    return this.#builder.manifestDigest(end);
  }

  has(digests: Uint8Array): Promise<Uint8Array> {
    return this.#questions.has(digests);
  }

  signature(request: Parameters<SetSession['signature']>[0]): Promise<Uint8Array> {
    return this.#questions.signature(request);
  }

  listState(cursor: string): ReturnType<SetSession['listState']> {
    return this.#questions.state(cursor);
  }

  onEvent(listener: (event: SessionEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearInterval(this.#watchdog);
      for (const subscription of this.#subscriptions) subscription.unsubscribe();
      this.#builder.discard();
      this.#out.stop();
      this.#out.kept.clear();
      this.#session = undefined;
      this.#kick?.();
      this.#rejectWaiters(sessionClosed());
      this.#giveUpQuestions(sessionClosed());
      this.#spool.close();
    }
    return Promise.resolve();
  }

  // -- writing

  #keep(frame: CutFrame): void {
    try {
      this.#out.add(frame);
    } catch (error) {
      this.#fail(asAfterimageError(error));
    }
  }

  #failureNow(): AfterimageError | undefined {
    return this.#failure;
  }

  #blocked(): boolean {
    if (this.#held) return false;
    if (!this.#out.kept.hasRoom(2 * FRAME_TARGET_BYTES)) return true;
    return this.live && this.#out.unsentBytes >= UNSENT_BYTES_MAX;
  }

  #wake(): void {
    if (this.#waiters.length === 0 || this.#blocked()) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve();
  }

  #rejectWaiters(error: AfterimageError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  /** The open sync is over: nothing of it is sent any more, and writing says so until `drop`. */
  #fail(error: AfterimageError): void {
    this.#failure = error;
    this.#builder.discard();
    this.#out.kept.clear();
    this.#out.resend();
    this.#rejectWaiters(error);
  }

  // -- saying hello

  async #connect(): Promise<void> {
    if (this.#connecting) return;
    this.#connecting = true;
    let pauseMs = this.#timing.backoffMinMs;
    while (!this.#isClosed() && this.#session === undefined) {
      try {
        await this.#hello();
      } catch (error) {
        this.#tellAway(asAfterimageError(error));
        await this.#pause(pauseMs * (0.5 + Math.random()));
        pauseMs = Math.min(pauseMs * 2, this.#timing.backoffMaxMs);
      }
    }
    this.#connecting = false;
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  /** Waits, or less when the connection comes back or the session closes. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          this.#kick?.();
        },
        Math.min(ms, this.#timing.backoffMaxMs),
      );
      this.#kick = () => {
        clearTimeout(timer);
        this.#kick = undefined;
        resolve();
      };
    });
  }

  async #hello(): Promise<void> {
    if (!this.#transport.connected) throw brokerAway();
    const position = this.#position?.();
    if (position === undefined) return;
    this.#builder.cut();
    const session = await sayHello({
      transport: this.#transport,
      identity: this.#identity,
      set: this.set,
      timeoutMs: this.#timing.helloTimeoutMs,
      state: this.#helloState(position),
    });
    if (this.#isClosed()) return;
    this.#begin(session, position);
  }

  #helloState(
    position: AgentPosition,
  ): Pick<Hello, 'position' | 'frames' | 'seen' | 'windowBytes'> {
    const { kept } = this.#out;
    const { ended } = position;
    return {
      position: {
        point: position.point,
        chain: position.chain.toString('hex'),
        incarnation: position.incarnation.toString('hex'),
        ended:
          ended === null ? null : { sync: ended.sync, manifest: ended.manifest.toString('hex') },
      },
      frames: {
        stream: this.#stream,
        first: kept.first,
        firstRestarts: kept.firstRestarts,
        next: kept.next,
        ...kept.numbering,
        open: this.#open === null ? null : { sync: this.#open.sync, begin: this.#open.begin },
      },
      seen: { epoch: this.#epoch, serial: this.#seen },
      windowBytes: this.#windowBytes,
    };
  }

  #begin(session: LiveSession, position: AgentPosition): void {
    const { welcome } = session;
    if (welcome.epoch !== this.#epoch) {
      this.#epoch = welcome.epoch;
      this.#seen = 0;
    }
    this.#session = session;
    this.#toldAway = undefined;
    this.#heardMs = this.#clock.monotonic();
    this.#progressMs = this.#heardMs;
    const from = this.#replan(welcome, position);
    this.#say();
    this.#out.start(
      {
        seal: session.seal,
        windowBytes: Math.min(welcome.windowBytes, this.#windowBytes),
        publish: (bytes) => {
          this.#publish(bytes);
        },
      },
      from,
    );
    for (const waiter of this.#sessionWaiters.splice(0)) waiter.resolve(session);
    const outcome = outcomeOf(welcome.outcome);
    this.#emit({ type: 'hello', outcome });
    this.#firstOutcome?.(outcome);
    this.#firstOutcome = undefined;
    this.#wake();
  }

  /** Brings what is kept in line with what the replica has; returns where sending starts. */
  #replan(welcome: LiveSession['welcome'], position: AgentPosition): number {
    const { kept } = this.#out;
    const { outcome, frames } = welcome;
    if (outcome.type === 'roll-forward' && this.#open?.sync === position.ended?.sync) {
      kept.clear();
      this.#open = null;
    }
    if (this.#open !== null && (outcome.type !== 'go-on' || frames.type === 'lost')) {
      this.#fail(new AfterimageError('session-stale', 'the replica lost frames of this sync'));
    }
    if (this.#failure !== undefined) return kept.next;
    if (frames.type === 'from' && frames.sequence >= kept.first && frames.sequence <= kept.next) {
      return frames.sequence;
    }
    const shift = kept.restart();
    if (this.#open !== null) {
      this.#open.begin += shift;
      if (this.#open.end !== null) this.#open.end += shift;
    }
    return kept.first;
  }

  #liveSession(): Promise<LiveSession> {
    if (this.#closed) return Promise.reject(sessionClosed());
    if (this.#session !== undefined) return Promise.resolve(this.#session);
    if (this.#held) {
      return Promise.reject(new AfterimageError('replica-unreachable', 'the application is held'));
    }
    return new Promise((resolve, reject) => {
      this.#sessionWaiters.push({ resolve, reject });
    });
  }

  #giveUpQuestions(reason: AfterimageError): void {
    for (const waiter of this.#sessionWaiters.splice(0)) waiter.reject(reason);
    this.#questions.interrupt(reason);
  }

  // -- the session lives, and breaks

  #break(error: AfterimageError): void {
    if (this.#closed) return;
    if (this.#session !== undefined) {
      this.#session = undefined;
      this.#out.stop();
      this.#questions.interrupt(error);
    }
    this.#tellAway(error);
    this.#wake();
    if (this.#position !== undefined) void this.#connect();
  }

  #tellAway(error: AfterimageError): void {
    if (this.#closed || this.#toldAway === error.code) return;
    this.#toldAway = error.code;
    this.#log.debug('no session', { code: error.code, error: error.message });
    this.#emit({ type: 'away', error });
  }

  #forbidden(subject: string): void {
    const inbox = subject.startsWith('_INBOX');
    if (!inbox && !subject.startsWith(this.#subject('up').slice(0, -2))) return;
    const error = new AfterimageError('permission-violation', `the broker refused ${subject}`, {
      facts: { subject },
    });
    this.#log.error('the broker refused a subject', error);
    this.#emit({ type: 'away', error });
  }

  #watch(): void {
    if (this.#session === undefined) return;
    const nowMs = this.#clock.monotonic();
    const { watchdogMs, pingMs } = this.#timing;
    const { kept, behind } = this.#out;
    const ended = this.#open?.end !== null && this.#open !== null;
    const outstanding = kept.first < kept.next || ended || this.#awaitsReply;
    if (outstanding && nowMs - this.#heardMs > watchdogMs) {
      this.#break(new AfterimageError('timed-out', `nothing heard for ${watchdogMs} ms`));
    } else if (behind && nowMs - this.#progressMs > watchdogMs) {
      this.#break(new AfterimageError('timed-out', `no frame arrived for ${watchdogMs} ms`));
    } else if (nowMs - this.#saidMs > pingMs) {
      this.#say();
    }
  }

  /** Shows that this session lives and which events were handled; the replica answers with an ack. */
  #say(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#saidMs = this.#clock.monotonic();
    this.#awaitsReply = true;
    this.#publish(session.seal.seal(plainBody('note', 0, encodeNote({ seen: this.#seen }))).bytes);
  }

  #publish(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length;
    this.#transport.publish(this.#subject('up'), bytes);
  }

  #subject(lane: Lane): string {
    const { tenant, agent } = this.#identity;
    return subjectOf({ tenant, agent, set: this.set }, lane);
  }

  // -- what the replica says

  #receive(message: TransportMessage): void {
    try {
      const decoded = decodeMessage(message.data);
      const session = this.#session;
      if (session === undefined) return;
      if (!isSealedType(decoded.header.type)) {
        this.#onStale();
        return;
      }
      if (decoded.header.session !== session.id) return;
      const body = session.open.openRaw(decoded);
      this.#heardMs = this.#clock.monotonic();
      this.#awaitsReply = false;
      if (decoded.header.type === 'ack') this.#onAck(body);
      else if (decoded.header.type === 'events') this.#onEvents(body);
    } catch (error) {
      this.#log.warn('a message was refused', {
        subject: message.subject,
        error: messageOf(error),
      });
    }
  }

  /** Anybody at the broker can say this: it only makes a HELLO come sooner, and not often. */
  #onStale(): void {
    if (this.#clock.monotonic() - this.#progressMs < this.#timing.watchdogMs / 4) return;
    this.#break(new AfterimageError('session-stale', 'the replica does not know this session'));
  }

  #onAck(body: Uint8Array): void {
    const before = this.#out.arrivedNext;
    this.#out.onAck(decodeAck(body));
    if (this.#out.arrivedNext > before || !this.#out.behind) this.#progressMs = this.#heardMs;
    this.#wake();
  }

  #onEvents(body: Uint8Array): void {
    for (const { serial, event } of decodeEvents(body)) {
      if (serial <= this.#seen) continue;
      this.#seen = serial;
      this.#onWireEvent(event);
    }
    this.#say();
  }

  #onWireEvent(event: WireEvent): void {
    const open = 'sync' in event && this.#open?.sync === event.sync ? this.#open : null;
    if (open !== null && event.type !== 'refused' && open.end !== null) {
      this.#out.kept.releaseTo(open.end);
      open.sealed = true;
    }
    if (open !== null && event.type !== 'sealed') this.#open = null;
    this.#emit(sessionEventOf(event));
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error('a listener of session events failed', error, { event: event.type });
      }
    }
  }
}

function outcomeOf(outcome: WireOutcome): HelloOutcome {
  return outcome.type === 'go-on'
    ? outcome
    : { ...outcome, chain: Buffer.from(outcome.chain, 'hex') };
}

function sessionEventOf(event: WireEvent): SessionEvent {
  switch (event.type) {
    case 'committed':
      return { ...event, chain: Buffer.from(event.chain, 'hex') };
    case 'refused':
      return {
        type: 'refused',
        sync: event.sync,
        error: new AfterimageError(errorCodeOf(event.code), event.message),
        wants: event.wants.map(([node, block]) => ({ node, block })),
      };
    case 'stalled':
      return {
        type: 'stalled',
        error: new AfterimageError(errorCodeOf(event.code), event.message),
      };
    default:
      return event;
  }
}

function brokerAway(): AfterimageError {
  return new AfterimageError('broker-unreachable', 'the broker is away');
}

function sessionClosed(): AfterimageError {
  return new AfterimageError('cancelled', 'the session was closed');
}
