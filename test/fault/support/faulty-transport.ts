/**
 * A transport whose deliveries go wrong by a seeded schedule: messages are lost, doubled, damaged,
 * held back past later ones, or all of them wait for a while. Around any other transport, for tests.
 */
import type {
  Subscription,
  Transport,
  TransportMessage,
  TransportStatus,
} from '../../../shared/transport/transport.js';
import type { Seeded } from '../../support/seeded.js';

/** Chances per delivered message, 0 to 1. */
export interface WireFaults {
  readonly lose?: number;
  readonly double?: number;
  readonly damage?: number;
  /** Held back until a few later ones were delivered, or a moment passed. */
  readonly reorder?: number;
  /** Nothing is delivered for up to `stallMs`; then all of it, in order. */
  readonly stall?: number;
  readonly stallMs?: number;
}

const HELD_MS = 30;
const HELD_MAX = 6;

export class FaultyTransport implements Transport {
  readonly #inner: Transport;
  readonly #random: Seeded;
  #faults: WireFaults;
  #queue: (() => void)[] | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(inner: Transport, random: Seeded, faults: WireFaults) {
    this.#inner = inner;
    this.#random = random;
    this.#faults = faults;
  }

  get connected(): boolean {
    return this.#inner.connected;
  }
  get payloadBytesMax(): number {
    return this.#inner.payloadBytesMax;
  }

  /** From now on everything arrives as it was sent. */
  heal(): void {
    this.#faults = {};
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#inner.publish(subject, data, reply);
  }

  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription {
    let held: TransportMessage[] = [];
    const release = (): void => {
      for (const message of held.splice(0)) handler(message);
    };
    const take = (message: TransportMessage): void => {
      if (this.#happens(this.#faults.lose)) return;
      const arrived = this.#happens(this.#faults.damage) ? this.#damaged(message) : message;
      if (this.#happens(this.#faults.reorder)) {
        held.push(arrived);
        this.#later(HELD_MS, release);
        return;
      }
      handler(arrived);
      if (this.#happens(this.#faults.double)) handler(arrived);
      if (held.length > 0 && (held.length > HELD_MAX || this.#random.chance(0.3))) {
        held = held.reverse();
        release();
      }
    };
    return this.#inner.subscribe(subject, (message) => {
      if (this.#queue === undefined && this.#happens(this.#faults.stall)) this.#stall();
      if (this.#queue === undefined) take(message);
      else
        this.#queue.push(() => {
          take(message);
        });
    });
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const reply = await this.#inner.request(subject, data, timeoutMs);
    return this.#happens(this.#faults.damage) ? this.#altered(reply) : reply;
  }

  onStatus(listener: (status: TransportStatus) => void): Subscription {
    return this.#inner.onStatus(listener);
  }
  flush(): Promise<void> {
    return this.#inner.flush();
  }
  close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    return this.#inner.close();
  }

  #stall(): void {
    const queue: (() => void)[] = [];
    this.#queue = queue;
    this.#later(1 + this.#random.below(this.#faults.stallMs ?? 50), () => {
      this.#queue = undefined;
      for (const deliver of queue) deliver();
    });
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  #damaged(message: TransportMessage): TransportMessage {
    return { ...message, data: this.#altered(message.data) };
  }

  #altered(data: Uint8Array): Uint8Array {
    const copy = Buffer.from(data);
    if (this.#random.chance(0.2)) return copy.subarray(0, this.#random.below(copy.length + 1));
    const at = this.#random.below(Math.max(1, copy.length));
    if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << this.#random.below(8));
    return copy;
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#random.chance(chance);
  }
}
