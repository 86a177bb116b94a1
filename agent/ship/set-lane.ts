/**
 * Which way the frames of a set go to the replica: through the broker, or over a direct stream where
 * it can be reached. A session goes one way from its HELLO to its end (R15): a stream that stands is
 * taken by the next HELLO, which is said for it when that disturbs nobody, and a stream that breaks
 * ends its session. Nothing waits for a stream: it is dialled while frames go through the broker.
 */
import type { Log } from '../../shared/log.js';
import type { Hello } from '../../shared/protocol/hello.js';
import { DirectClient, type DirectTiming } from '../../shared/transport/direct-client.js';
import type { Subscription, TransportMessage } from '../../shared/transport/transport.js';
import type { LiveSession } from './say-hello.js';

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

  /** What a HELLO says of it; undefined when it is not wanted. */
  get hello(): Hello['direct'] {
    if (this.#client === undefined) return undefined;
    return { stream: this.#client.stream ?? null };
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
      this.#turnTo(
        client.connected ? 'direct' : 'broker',
        client.connected ? client.peer : this.#about,
      );
      return client.connected;
    }
    this.#turnTo(
      'broker',
      direct === undefined ? 'the replica offers no direct lane' : this.#about,
    );
    if (direct === undefined) client.offer(undefined);
    else client.offer({ session: id, key: lane, addresses: direct.addresses });
    return true;
  }

  /** True when a stream took it; else it is for the broker. */
  publish(bytes: Uint8Array): boolean {
    if (this.#lane !== 'direct' || this.#client === undefined) return false;
    this.#client.publish(this.#subject, bytes);
    return true;
  }

  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription {
    return this.#client?.subscribe(subject, handler) ?? { unsubscribe: () => undefined };
  }

  /** The session on it is over because nothing comes through any more. */
  giveUp(why: string): void {
    if (this.#lane !== 'direct') return;
    this.#lane = 'broker';
    this.#client?.detach(why);
  }

  /** The session is over; the stream may be good for the next. */
  end(): void {
    this.#lane = 'broker';
  }

  close(): void {
    this.#lane = 'broker';
    void this.#client?.close();
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
