/**
 * Which way the frames of a set go to the replica: through the broker, or over a direct stream where
 * it can be reached. A session goes one way from its HELLO to its end (R15): a stream that stands is
 * taken by the next HELLO, which is said for it when that disturbs nobody, and a stream that breaks
 * ends its session. Nothing waits for a stream: it is dialled while frames go through the broker.
 */
import type { Log } from '../../shared/log.js';
import { saysSealed } from '../../shared/protocol/frame.js';
import type { Hello } from '../../shared/protocol/hello.js';
import { DirectClient, type DirectTiming } from '../../shared/transport/direct-client.js';
import type { DirectOffer } from '../../shared/transport/direct-dial.js';
import type { Subscription, TransportMessage } from '../../shared/transport/transport.js';
import type { LiveSession } from './say-hello.js';

/**
 * HELLOs that name a stream and are told that it is none, until it is left: the first may have been faster
 * than the proof.
 */
const UNTAKEN_MAX = 2;

export type LaneName = 'broker' | 'direct';

/** For the operator. */
export interface LaneStatus {
  readonly lane: LaneName;
  /** Where the stream leads to, or why there is none; empty when there is nothing to say. */
  readonly about: string;
}

export interface SetLaneOptions {
  /** `never`: everything goes through the broker. */
  readonly policy: 'auto' | 'never';
  /** What the subjects of the set begin with. */
  readonly prefix: string;
  readonly log: Log;
  readonly monotonic: () => number;
  readonly timing: Partial<DirectTiming> | undefined;
  /** The stream of the session that lives is broken. */
  readonly onBroken: (why: string) => void;
  /** A stream stands that no session uses yet. */
  readonly onOpened: () => void;
}

export class SetLane {
  readonly #log: Log;
  readonly #client: DirectClient | undefined;
  readonly #subject: string;
  #lane: LaneName = 'broker';
  #about = '';
  #toldAbout = '';
  /** Where to dial under the session that lives, which goes through the broker. */
  #offered: DirectOffer | undefined;
  /** The stream that the newest HELLO named, and how often it was none for the replica. */
  #named: string | undefined;
  #untaken = 0;

  constructor(options: SetLaneOptions) {
    this.#log = options.log;
    this.#subject = `${options.prefix}up`;
    if (options.policy === 'never') {
      this.#about = 'the configuration says so';
      return;
    }
    const client = new DirectClient({
      prefix: options.prefix,
      hears: [`${options.prefix}ack`],
      monotonic: options.monotonic,
      timing: options.timing,
      onTrouble: (why) => {
        this.#about = why;
        if (this.#lane === 'broker') this.#sayTrouble();
      },
    });
    client.onStatus(({ type }) => {
      if (type === 'connected' || type === 'reconnected') options.onOpened();
      else if (type === 'disconnected' && this.#lane === 'direct') options.onBroken(this.#about);
      else if (type === 'disconnected' && this.#offered !== undefined) client.offer(this.#offered);
    });
    this.#client = client;
  }

  get status(): LaneStatus {
    return { lane: this.#lane, about: this.#about };
  }

  /** A stream stands, and the session that lives does not use it. */
  get isChangeDue(): boolean {
    return this.#lane === 'broker' && this.#client?.connected === true;
  }

  /** What the HELLO that is made now says of it; undefined when it is not wanted. */
  hello(): Pick<Hello, 'direct'> {
    if (this.#client === undefined) return {};
    this.#named = this.#client.stream;
    return { direct: { stream: this.#named ?? null } };
  }

  /**
   * A session begins that goes the way its welcome says. Returns false when that is a stream that
   * broke meanwhile: then it is through the broker until another HELLO.
   */
  begin({ id, lane, welcome }: LiveSession): boolean {
    const client = this.#client;
    const { direct } = welcome;
    if (client === undefined) return true;
    if (direct?.type === 'taken') {
      this.#untaken = 0;
      this.#turnTo(
        client.connected ? 'direct' : 'broker',
        client.connected ? client.peer : this.#about,
      );
      return client.connected;
    }
    this.#leaveUntaken(client);
    this.#turnTo(
      'broker',
      direct === undefined ? 'the replica offers no direct lane' : this.#about,
    );
    const offered =
      direct === undefined ? undefined : { session: id, key: lane, addresses: direct.addresses };
    this.#offered = offered;
    client.offer(offered);
    return true;
  }

  /** True when a stream took it; else it is for the broker. */
  publish(bytes: Uint8Array): boolean {
    if (this.#lane !== 'direct' || this.#client === undefined) return false;
    this.#client.publish(this.#subject, bytes);
    return true;
  }

  /** Hears what is sealed: the replica says nothing else on a stream, and anybody on the way may. */
  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription {
    const subscription = this.#client?.subscribe(subject, (message) => {
      if (saysSealed(message.data)) handler(message);
    });
    return subscription ?? { unsubscribe: () => undefined };
  }

  /** The session on it is over because nothing comes through any more. */
  giveUp(why: string): void {
    const wasDirect = this.#lane === 'direct';
    this.end();
    if (wasDirect) this.#client?.detach(why);
  }

  /** The session is over; the stream may be good for the next. */
  end(): void {
    this.#lane = 'broker';
    this.#offered = undefined;
    if (this.#about === this.#client?.peer) this.#about = '';
  }

  close(): void {
    this.end();
    void this.#client?.close();
  }

  /** A stream that stands for this end alone is no way: it would be named in one HELLO after another. */
  #leaveUntaken(client: DirectClient): void {
    if (client.stream === undefined || client.stream !== this.#named) return;
    this.#untaken += 1;
    if (this.#untaken < UNTAKEN_MAX) return;
    this.#untaken = 0;
    client.detach('the replica does not have the stream any more');
  }

  #turnTo(lane: LaneName, about: string): void {
    this.#lane = lane;
    this.#about = about;
    if (lane === 'direct') {
      this.#toldAbout = '';
      this.#log.info('frames go directly to the replica', { address: about });
    } else {
      this.#sayTrouble();
    }
  }

  /** Once for each reason. */
  #sayTrouble(): void {
    if (this.#about === '' || this.#about === this.#toldAbout) return;
    this.#toldAbout = this.#about;
    this.#log.info('frames go through the broker', { why: this.#about });
  }
}
