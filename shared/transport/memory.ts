/**
 * A broker in memory with a fault schedule drawn from a seed: what a real one may do to messages
 * (lose, double, swap, delay them, break connections), decided by the same numbers every time.
 * For tests only; it passes the same contract suite as the real one.
 */
import { AfterimageError } from '../errors.js';
import { subjectMatches } from './subject-match.js';
import type { Subscription, Transport, TransportMessage, TransportStatus } from './transport.js';

/** Chances per delivered message, 0 to 1. */
export interface Faults {
  readonly drop?: number;
  readonly duplicate?: number;
  /** Delivered after the message that follows it. */
  readonly swap?: number;
  /** Breaks both ends' connection of the receiving client for a moment; the message is lost. */
  readonly disconnect?: number;
}

export interface MemoryPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface MemoryBroker {
  connect(options?: { readonly permissions?: MemoryPermissions }): MemoryTransport;
  /** Faults of messages delivered from now on. */
  setFaults(faults: Faults): void;
  /** Breaks every connection until `up` is called; messages under way are lost. */
  down(): void;
  up(): void;
  readonly delivered: number;
}

export interface MemoryTransport extends Transport {
  /** Breaks this connection; it comes back by itself when told so. */
  disconnect(): void;
  reconnect(): void;
}

interface Listener {
  readonly client: Client;
  readonly pattern: string;
  readonly handler: (message: TransportMessage) => void;
}

type RequestFailure = 'timed-out' | 'replica-unreachable' | 'broker-unreachable';

const PAYLOAD_BYTES_MAX = 1024 * 1024 + 128 * 1024;

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function createMemoryBroker(options: { readonly seed?: number } = {}): MemoryBroker {
  return new Broker(seededRandom(options.seed ?? 1));
}

class Broker implements MemoryBroker {
  readonly #random: () => number;
  readonly #listeners = new Set<Listener>();
  readonly #clients = new Set<Client>();
  #queue: { readonly listener: Listener; readonly message: TransportMessage }[] = [];
  #pumping = false;
  #faults: Faults = {};
  #inboxes = 0;
  running = true;
  delivered = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  connect(options: { readonly permissions?: MemoryPermissions } = {}): MemoryTransport {
    const client = new Client(this, options.permissions);
    this.#clients.add(client);
    return client;
  }

  setFaults(faults: Faults): void {
    this.#faults = faults;
  }

  down(): void {
    this.running = false;
    this.#queue = [];
    for (const client of this.#clients) client.disconnect();
  }

  up(): void {
    this.running = true;
    for (const client of this.#clients) client.reconnect();
  }

  newInbox(): string {
    this.#inboxes += 1;
    return `_INBOX.memory.${this.#inboxes}`;
  }

  listen(listener: Listener): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  forget(client: Client): void {
    this.#clients.delete(client);
    for (const listener of this.#listeners) {
      if (listener.client === client) this.#listeners.delete(listener);
    }
  }

  /** Listeners that the message will be handed to. */
  route(from: Client, message: TransportMessage): number {
    let count = 0;
    for (const listener of this.#listeners) {
      if (listener.client === from || !listener.client.connected) continue;
      if (!subjectMatches(listener.pattern, message.subject)) continue;
      count += 1;
      this.#enqueue(listener, { ...message, data: Uint8Array.from(message.data) });
    }
    return count;
  }

  /** Resolves when everything routed before has been handed over. */
  async settled(): Promise<void> {
    while (this.#pumping) await new Promise((resolve) => setImmediate(resolve));
  }

  #enqueue(listener: Listener, message: TransportMessage): void {
    this.#queue.push({ listener, message });
    if (this.#faults.swap !== undefined && this.#random() < this.#faults.swap) {
      const last = this.#queue.pop();
      const previous = this.#queue.pop();
      if (last !== undefined) this.#queue.push(last);
      if (previous !== undefined) this.#queue.push(previous);
    }
    if (!this.#pumping) {
      this.#pumping = true;
      setImmediate(() => {
        this.#pump();
      });
    }
  }

  #pump(): void {
    const batch = this.#queue;
    this.#queue = [];
    for (const { listener, message } of batch) this.#deliver(listener, message);
    if (this.#queue.length > 0) {
      setImmediate(() => {
        this.#pump();
      });
    } else {
      this.#pumping = false;
    }
  }

  #deliver(listener: Listener, message: TransportMessage): void {
    const { client } = listener;
    if (!client.connected || !this.#listeners.has(listener)) return;
    if (this.#happens(this.#faults.drop)) return;
    if (this.#happens(this.#faults.disconnect)) {
      client.disconnect();
      setImmediate(() => {
        if (this.running) client.reconnect();
      });
      return;
    }
    this.delivered += 1;
    listener.handler(message);
    if (this.#happens(this.#faults.duplicate)) listener.handler(message);
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#random() < chance;
  }
}

class Client implements MemoryTransport {
  readonly #broker: Broker;
  readonly #permissions: MemoryPermissions | undefined;
  readonly #statusListeners = new Set<(status: TransportStatus) => void>();
  readonly #requests = new Set<(code: RequestFailure) => void>();
  #closed = false;
  connected: boolean;
  readonly payloadBytesMax = PAYLOAD_BYTES_MAX;

  constructor(broker: Broker, permissions: MemoryPermissions | undefined) {
    this.#broker = broker;
    this.#permissions = permissions;
    this.connected = broker.running;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#send(subject, data, reply);
  }

  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription {
    if (!this.#allowed('subscribe', subject)) return { unsubscribe: () => undefined };
    return this.#broker.listen({ client: this, pattern: subject, handler });
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.connected) {
      return Promise.reject(new AfterimageError('broker-unreachable', 'the broker is away'));
    }
    return new Promise((resolve, reject) => {
      const inbox = this.#broker.newInbox();
      const end = (): void => {
        subscription.unsubscribe();
        clearTimeout(timer);
        this.#requests.delete(fail);
      };
      const fail = (code: RequestFailure): void => {
        end();
        reject(new AfterimageError(code, 'the request has no answer', { facts: { subject } }));
      };
      const subscription = this.#broker.listen({
        client: this,
        pattern: inbox,
        handler: (message) => {
          end();
          resolve(message.data);
        },
      });
      const timer = setTimeout(() => {
        fail('timed-out');
      }, timeoutMs);
      this.#requests.add(fail);
      if (this.#send(subject, data, inbox) === 0) fail('replica-unreachable');
    });
  }

  onStatus(listener: (status: TransportStatus) => void): Subscription {
    this.#statusListeners.add(listener);
    return { unsubscribe: () => void this.#statusListeners.delete(listener) };
  }

  async flush(): Promise<void> {
    await this.#broker.settled();
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.connected = false;
      this.#broker.forget(this);
      this.#tell({ type: 'closed' });
    }
    return Promise.resolve();
  }

  disconnect(): void {
    if (!this.connected) return;
    this.connected = false;
    for (const fail of [...this.#requests]) fail('broker-unreachable');
    this.#tell({ type: 'disconnected' });
  }

  reconnect(): void {
    if (this.connected || this.#closed || !this.#broker.running) return;
    this.connected = true;
    this.#tell({ type: 'reconnected' });
  }

  #send(subject: string, data: Uint8Array, reply: string | undefined): number {
    if (data.length > PAYLOAD_BYTES_MAX) {
      throw new AfterimageError('internal', `a message of ${data.length} bytes to publish`);
    }
    if (!this.connected || !this.#allowed('publish', subject)) return 0;
    const message = reply === undefined ? { subject, data } : { subject, data, reply };
    return this.#broker.route(this, message);
  }

  #allowed(operation: 'publish' | 'subscribe', subject: string): boolean {
    const patterns = this.#permissions?.[operation];
    if (patterns === undefined || patterns.some((pattern) => subjectMatches(pattern, subject))) {
      return true;
    }
    setImmediate(() => {
      this.#tell({ type: 'permission-violation', subject, operation });
    });
    return false;
  }

  #tell(status: TransportStatus): void {
    for (const listener of [...this.#statusListeners]) listener(status);
  }
}
