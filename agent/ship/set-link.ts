/**
 * The life of a set's session: HELLO until it is answered, again after every break, a watchdog for
 * silence, and the messages of the replica opened, checked and handed on.
 */
import { type Clock, systemClock } from '../../shared/clock.js';
import { AfterimageError, asAfterimageError, messageOf } from '../../shared/errors.js';
import { type Log, silentLog } from '../../shared/log.js';
import { type Ack, decodeAck, encodeNote, type Watch } from '../../shared/protocol/ack.js';
import { decodeEvents } from '../../shared/protocol/events.js';
import { decodeMessage, isSealedType } from '../../shared/protocol/frame.js';
import type { Hello } from '../../shared/protocol/hello.js';
import { type Lane, subjectOf } from '../../shared/protocol/subject.js';
import { plainBody } from '../../shared/seal/sealing-key.js';
import type { DirectTiming } from '../../shared/transport/direct-client.js';
import type {
  Subscription,
  Transport,
  TransportMessage,
} from '../../shared/transport/transport.js';
import type { AgentIdentity } from './identity.js';
import type { LinkOwner } from './link-owner.js';
import { type LiveSession, sayHello } from './say-hello.js';
import { brokerAway, keysChange, positionLeft, tokenShown } from './session-refusals.js';
import { type LaneStatus, SetLane } from './set-lane.js';

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

const timingDefaults: SessionTiming = {
  watchdogMs: 1000,
  pingMs: 5000,
  helloTimeoutMs: 5000,
  backoffMinMs: 50,
  backoffMaxMs: 2000,
};

export interface SetLinkOptions {
  readonly transport: Transport;
  readonly identity: AgentIdentity;
  readonly set: string;
  readonly windowBytes: number;
  /** Whether frames may go past the broker; `auto` unless told. */
  readonly direct?: 'auto' | 'never';
  readonly says?: Pick<Hello, 'restores'>;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly timing?: Partial<SessionTiming>;
  readonly directTiming?: Partial<DirectTiming>;
}

export class SetLink {
  readonly #options: SetLinkOptions;
  readonly #owner: LinkOwner;
  readonly #transport: Transport;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #timing: SessionTiming;
  readonly #subscriptions: Subscription[] = [];
  readonly #lane: SetLane;
  #session: LiveSession | undefined;
  #closed = false;
  #connecting = false;
  #endPause: (() => void) | undefined;
  #toldAway: string | undefined;
  #epoch = '0'.repeat(16);
  #seen = 0;
  #sentBytes = 0;
  #heardMs = 0;
  #saidMs = 0;
  #progressMs = 0;
  #awaitsReply = false;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(options: SetLinkOptions, owner: LinkOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#transport = options.transport;
    this.#log = (options.log ?? silentLog).with({ set: options.set });
    this.#clock = options.clock ?? systemClock;
    this.#timing = { ...timingDefaults, ...options.timing };
    this.#lane = new SetLane({
      policy: options.direct ?? 'auto',
      prefix: this.subject('up').slice(0, -'up'.length),
      log: this.#log,
      monotonic: () => this.#clock.monotonic(),
      timing: options.directTiming,
      onBroken: this.#changeLane.bind(this),
      onOpened: this.#takeLane.bind(this),
    });
  }

  /** Which way frames go, and why. */
  get lane(): LaneStatus {
    return this.#lane.status;
  }
  get session(): LiveSession | undefined {
    return this.#session;
  }
  /** Bytes handed to the transport on the way up. */
  get sentBytes(): number {
    return this.#sentBytes;
  }
  get log(): Log {
    return this.#log;
  }

  start(): void {
    for (const lane of ['ack', 'ctl'] as const) {
      const subscription = this.#transport.subscribe(this.subject(lane), (message) => {
        this.#receive(message);
      });
      this.#subscriptions.push(subscription);
    }
    this.#subscriptions.push(this.#lane.subscribe(this.subject('ack'), this.#receive.bind(this)));
    const status = this.#transport.onStatus((change) => {
      if (change.type === 'permission-violation') this.#forbidden(change.subject);
      else if (change.type === 'disconnected') this.#break(brokerAway());
      else if (change.type === 'reconnected') this.#endPause?.();
    });
    this.#subscriptions.push(status);
    const tickMs = Math.max(5, Math.ceil(this.#timing.watchdogMs / 8));
    let tickedMs = performance.now();
    this.#watchdog = setInterval(() => {
      // while this process stood still, nobody could be heard: that is no silence
      const stoodMs = performance.now() - tickedMs - tickMs;
      tickedMs = performance.now();
      this.#watch(stoodMs > tickMs ? stoodMs : 0);
    }, tickMs);
    void this.#connect();
  }

  close(): void {
    if (this.#session !== undefined && this.#transport.connected) this.#sendNote({ leaves: true });
    this.#closed = true;
    this.#session = undefined;
    clearInterval(this.#watchdog);
    this.#lane.close();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#endPause?.();
  }

  /** Where both sides stand is in doubt: HELLO finds out. */
  sayHelloAgain(reason: AfterimageError): void {
    this.#break(reason);
  }

  publish(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length;
    if (!this.#lane.publish(bytes)) this.#transport.publish(this.subject('up'), bytes);
  }

  subject(lane: Lane): string {
    const { identity, set } = this.#options;
    return subjectOf({ tenant: identity.tenant, agent: identity.agent, set }, lane);
  }

  async #connect(): Promise<void> {
    if (this.#connecting) return;
    this.#connecting = true;
    let pauseMs = this.#timing.backoffMinMs;
    while (!this.#isClosed() && this.#session === undefined) {
      try {
        await this.#hello();
      } catch (error) {
        this.#tellAway(asAfterimageError(error));
        await this.#pause(pauseMs * (0.5 + Math.random() / 2));
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
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#endPause?.();
      }, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        this.#endPause = undefined;
        resolve();
      };
    });
  }

  async #hello(): Promise<void> {
    this.#requireBroker();
    const attempt = this.#owner.attempt();
    const session = await sayHello({
      transport: this.#transport,
      identity: this.#options.identity,
      set: this.#options.set,
      timeoutMs: this.#timing.helloTimeoutMs,
      state: {
        ...attempt.state,
        seen: { epoch: this.#epoch, serial: this.#seen },
        windowBytes: this.#options.windowBytes,
        ...this.#lane.hello(),
        ...this.#options.says,
      },
    });
    if (this.#isClosed()) return;
    this.#requireBroker();
    if (!this.#owner.standsAt(attempt.state.position)) throw positionLeft();
    if (session.welcome.epoch !== this.#epoch) {
      this.#epoch = session.welcome.epoch;
      this.#seen = 0;
    }
    this.#session = session;
    this.#toldAway = undefined;
    this.#heardMs = this.#clock.monotonic();
    this.#progressMs = this.#heardMs;
    const stands = this.#lane.begin(session);
    this.#say();
    attempt.welcomed(session);
    if (session.keysChange) this.#break(keysChange());
    else if (!stands) this.#changeLane('the direct lane broke');
  }

  #requireBroker(): void {
    if (!this.#transport.connected) throw brokerAway();
  }

  #break(error: AfterimageError): void {
    if (this.#closed) return;
    this.#endSession(error);
    this.#tellAway(error);
    void this.#connect();
  }

  #endSession(error: AfterimageError): void {
    if (this.#session === undefined) return;
    this.#session = undefined;
    if (error.code === 'timed-out') this.#lane.giveUp(error.message);
    else this.#lane.end();
    this.#owner.broke(error);
  }

  /** Another way is taken by another HELLO (R15); the replica is there, so nobody is told that it is away. */
  #changeLane(why: string): void {
    if (this.#closed || this.#session === undefined) return;
    this.#log.debug('hello is said again for another way', { why });
    this.#endSession(new AfterimageError('session-stale', why));
    void this.#connect();
  }

  /** Takes a stream that stands, when that disturbs nobody. */
  #takeLane(): void {
    if (this.#session === undefined || this.#owner.delicate || !this.#lane.isChangeDue) return;
    this.#changeLane('the direct lane is open');
  }

  #tellAway(error: AfterimageError): void {
    if (this.#closed || this.#toldAway === error.code) return;
    this.#toldAway = error.code;
    this.#log.debug('no session', { code: error.code, error: error.message });
    this.#owner.away(error);
  }

  #forbidden(subject: string): void {
    const own = this.subject('up').slice(0, -'up'.length);
    if (!subject.startsWith('_INBOX') && !subject.startsWith(own)) return;
    const error = new AfterimageError('permission-violation', `the broker refused ${subject}`, {
      facts: { subject },
    });
    this.#log.error('the broker refused a subject', error);
    this.#owner.away(error);
  }

  #watch(stoodMs: number): void {
    this.#takeLane();
    if (this.#session === undefined) return;
    const nowMs = this.#clock.monotonic();
    this.#heardMs += stoodMs;
    this.#progressMs += stoodMs;
    const { watchdogMs, pingMs } = this.#timing;
    const { outstanding, behind } = this.#owner;
    if ((outstanding || this.#awaitsReply) && nowMs - this.#heardMs > watchdogMs) {
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
    const nowMs = this.#clock.monotonic();
    this.#saidMs = nowMs;
    // silence counts from the question on
    if (!this.#awaitsReply && !this.#owner.outstanding) this.#heardMs = nowMs;
    this.#awaitsReply = true;
    this.#sendNote({ leaves: false });
  }

  #sendNote({ leaves }: { readonly leaves: boolean }): void {
    const session = this.#session;
    if (session === undefined) return;
    const note = encodeNote({ seen: this.#seen, watch: this.#watchIfTold(), leaves });
    this.publish(session.seal.seal(plainBody('note', 0, note)).bytes);
  }

  #watchIfTold(): Watch | undefined {
    try {
      return this.#owner.watch();
    } catch (error) {
      // Where the set stands cannot be read now; its next sync meets the same and says so.
      this.#log.debug('a note tells nothing of the set', { error: messageOf(error) });
      return undefined;
    }
  }

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
      if (decoded.header.type === 'ack') this.#onAck(decodeAck(body));
      else if (decoded.header.type === 'events') this.#onEvents(body);
    } catch (error) {
      const { subject } = message;
      this.#log.debug('a message was refused', { subject, error: messageOf(error) });
    }
  }

  /** Anybody at the broker can say this: it only makes a HELLO come sooner, and not often. */
  #onStale(): void {
    if (this.#clock.monotonic() - this.#heardMs < this.#timing.watchdogMs / 4) return;
    this.#break(new AfterimageError('session-stale', 'the replica does not know this session'));
  }

  #onAck(ack: Ack): void {
    const before = this.#owner.arrivedNext;
    this.#owner.acked(ack);
    if (this.#owner.arrivedNext > before || !this.#owner.behind) this.#progressMs = this.#heardMs;
  }

  #onEvents(body: Uint8Array): void {
    for (const { serial, event } of decodeEvents(body)) {
      if (serial <= this.#seen) continue;
      this.#seen = serial;
      if (event.type === 'say-hello') this.#break(tokenShown());
      else this.#owner.told(event);
    }
    this.#say();
  }
}
