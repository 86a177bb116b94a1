/**
 * Somebody who runs the broker, or has its operator's credentials: hears and says everything, has no
 * session's keys. Plays back what it heard, forges, answers for the replica, and does it by a seed.
 */
import { crc32c } from '../../../shared/protocol/crc32c.js';
import {
  decodeMessage,
  encodeHeader,
  encodeUnsealed,
  HEADER_BYTES,
  messageTypes,
  type MessageType,
} from '../../../shared/protocol/frame.js';
import type {
  Subscription,
  Transport,
  TransportMessage,
} from '../../../shared/transport/transport.js';
import type { Seeded } from '../../support/seeded.js';

const HEARD_MAX = 400;

export class BrokerOperator {
  readonly #transport: Transport;
  readonly #random: Seeded;
  readonly #heard: TransportMessage[] = [];
  readonly #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  said = 0;

  constructor(transport: Transport, random: Seeded) {
    this.#transport = transport;
    this.#random = random;
    const listen = (subject: string, handler: (message: TransportMessage) => void): void => {
      this.#subscriptions.push(transport.subscribe(subject, handler));
    };
    for (const lane of ['up', 'ack', 'ctl', 'has', 'hello']) {
      listen(`afterimage.*.*.*.${lane}`, (message) => {
        this.#hear(message);
      });
    }
  }

  /** Says one wrong thing about every `everyMs`. */
  start(everyMs: number): void {
    this.#timer = setInterval(() => {
      this.sayOne();
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  sayOne(): void {
    const message = this.#heard[this.#random.below(Math.max(1, this.#heard.length))];
    if (message === undefined || !this.#transport.connected) return;
    this.said += 1;
    const [said, data] = this.#wrong(message);
    this.#say(said, data);
  }

  #wrong({ subject, data }: TransportMessage): [string, Uint8Array] {
    const onLane = (lane: string): string => subject.replace(/[^.]+$/, lane);
    switch (this.#random.below(6)) {
      case 0:
        return [subject, data];
      case 1:
        return [subject, this.#rewritten(data)];
      case 2:
        return [onLane(this.#random.pick(['up', 'ack', 'ctl', 'has', 'hello'])), data];
      case 3:
        return [onLane('ack'), encodeUnsealed('stale', Buffer.alloc(0))];
      case 4:
        return [subject, this.#forged(data)];
      default:
        return [subject.replace(/[^.]+(\.[^.]+)$/, 'other$1'), data];
    }
  }

  #hear(message: TransportMessage): void {
    this.#heard.push(message);
    if (this.#heard.length > HEARD_MAX) this.#heard.splice(this.#random.below(HEARD_MAX), 1);
    // Before the next message arrives, so that it is about what lives now.
    if (this.#random.chance(0.7)) {
      setImmediate(() => {
        this.sayOne();
      });
    }
    const { reply, subject } = message;
    if (reply === undefined || !this.#random.chance(0.1)) return;
    // An answer of ours may come before the replica's.
    this.said += 1;
    const other = this.#random.pick(this.#heard);
    if (subject.endsWith('.hello')) {
      const body = this.#random.bytes(120);
      const type = this.#random.pick(['stale', 'welcome'] as const);
      this.#transport.publish(
        reply,
        encodeUnsealed(type, type === 'stale' ? Buffer.alloc(0) : body),
      );
    } else {
      this.#transport.publish(reply, this.#random.chance(0.5) ? other.data : Buffer.alloc(3));
    }
  }

  #say(subject: string, data: Uint8Array): void {
    this.#transport.publish(subject, data, this.#random.chance(0.3) ? 'nowhere' : undefined);
  }

  /** The same message with another type, sequence, counter or flag, and the right checksum. */
  #rewritten(data: Uint8Array): Buffer {
    const copy = Buffer.from(data);
    if (copy.length < HEADER_BYTES) return copy;
    const at = this.#random.pick([5, 6, 16, 17, 24, 25, 26, 32]);
    copy[at] = this.#random.below(at === 5 ? 10 : 256);
    copy.writeUInt32LE(crc32c(copy, 0, 44), 44);
    return copy;
  }

  /** A header of the session that lives, over bytes of our own. */
  #forged(data: Uint8Array): Buffer {
    const type = this.#random.pick(Object.keys(messageTypes) as MessageType[]);
    const body = this.#random.bytes(this.#random.pick([8, 33, 200]));
    let session = '0'.repeat(16);
    let counter = 1;
    try {
      ({ session, counter } = decodeMessage(data).header);
    } catch {
      // What we heard was damaged on its way to us.
    }
    const header = encodeHeader({
      type,
      compressed: this.#random.chance(0.1),
      restart: this.#random.chance(0.3),
      session,
      sequence: this.#random.below(1000),
      counter: counter + this.#random.below(100_000),
      recordCount: 0,
      rawLength: body.length,
      bodyLength: body.length,
    });
    return Buffer.concat([header, body, this.#random.bytes(16)]);
  }
}
