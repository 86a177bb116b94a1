/**
 * The transport over core NATS. It connects by itself, for as long as it takes, at first as after
 * every break; subscriptions survive. Beside nats-memory.ts the only file that knows the client library.
 */
import {
  connect,
  type ConnectionOptions,
  ErrorCode,
  Events,
  type Msg,
  NatsError,
  type NatsConnection,
  nkeyAuthenticator,
  type Status,
  type Subscription as NatsSubscription,
  type TlsOptions,
} from 'nats';
import { AfterimageError, messageOf } from '../errors.js';
import { type Log, silentLog } from '../log.js';
import { FRAME_BYTES_MAX } from '../limits.js';
import { countStage, Stage } from '../stages.js';
import { keepBufferHeadroom } from './buffer-headroom.js';
import { gatherLarge, publishInOnePiece, releaseOf } from './nats-memory.js';
import type { Subscription, Transport, TransportMessage, TransportStatus } from './transport.js';

export interface NatsTransportOptions {
  /** `nats://host:port`, or several with commas. */
  readonly url: string;
  /** Seed of an nkey user, asked for at every attempt; undefined for a broker that asks for none. */
  readonly seed?: string | (() => string);
  /** Where answers to requests arrive. */
  readonly inboxPrefix?: string;
  /** Shown in the broker's list of connections. */
  readonly name: string;
  readonly tls?: TlsOptions;
  readonly log?: Log;
  /** Milliseconds to the next attempt: from the first to the second, doubling. */
  readonly backoffMs?: readonly [number, number];
}

const CONNECT_MS = 5000;
/** Two unanswered pings end a connection that only looks alive. */
const PING_MS = 5000;
const BACKOFF_MS = [50, 2000] as const;

interface Wish {
  readonly subject: string;
  readonly handler: (message: TransportMessage) => void;
  subscription: NatsSubscription | undefined;
}

/** Starts connecting at once; what is subscribed before is in force when the connection stands. */
export function createNatsTransport(options: NatsTransportOptions): Transport {
  keepBufferHeadroom();
  return new NatsTransport(options);
}

class NatsTransport implements Transport {
  readonly #options: NatsTransportOptions;
  readonly #log: Log;
  readonly #wishes = new Set<Wish>();
  readonly #statusListeners = new Set<(status: TransportStatus) => void>();
  readonly #requests = new Set<(error: AfterimageError) => void>();
  #connection: NatsConnection | undefined;
  #closed = false;
  #everConnected = false;
  #attempts = 0;
  #endPause: (() => void) | undefined;
  readonly #life: Promise<void>;
  connected = false;

  constructor(options: NatsTransportOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#life = this.#live();
  }

  get payloadBytesMax(): number {
    return this.#connection?.info?.max_payload ?? FRAME_BYTES_MAX;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (!this.connected) return;
    const connection = this.#connection;
    if (connection === undefined) return;
    const start = performance.now();
    if (reply !== undefined || !publishInOnePiece(connection, subject, data)) {
      connection.publish(subject, data, reply === undefined ? undefined : { reply });
    }
    countStage(Stage.publish, start, data.length);
  }

  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription {
    const wish: Wish = { subject, handler, subscription: undefined };
    this.#wishes.add(wish);
    if (this.#connection !== undefined) this.#fulfil(wish, this.#connection);
    return {
      unsubscribe: () => {
        this.#wishes.delete(wish);
        wish.subscription?.unsubscribe();
      },
    };
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const connection = this.#connection;
    if (connection === undefined || !this.connected) throw brokerAway();
    let broken: ((error: AfterimageError) => void) | undefined;
    const breaks = new Promise<never>((_resolve, reject) => {
      broken = reject;
      this.#requests.add(reject);
    });
    try {
      const reply = connection.request(subject, data, { timeout: timeoutMs });
      return (await Promise.race([reply, breaks])).data;
    } catch (error) {
      throw requestFailed(error, subject);
    } finally {
      if (broken !== undefined) this.#requests.delete(broken);
    }
  }

  onStatus(listener: (status: TransportStatus) => void): Subscription {
    this.#statusListeners.add(listener);
    return { unsubscribe: () => void this.#statusListeners.delete(listener) };
  }

  async flush(): Promise<void> {
    try {
      await this.#connection?.flush();
    } catch (cause) {
      throw brokerAway(cause);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.connected = false;
    this.#failRequests();
    this.#endPause?.();
    await this.#connection?.close();
    await this.#life;
    this.#tell({ type: 'closed' });
  }

  /** One connection after another until `close`. */
  async #live(): Promise<void> {
    while (!this.#closed) {
      try {
        const connection = await connect(this.#connectionOptions());
        await this.#serve(connection);
      } catch (error) {
        this.#log.debug('the broker cannot be reached', { error: messageOf(error) });
      }
      this.#connection = undefined;
      if (!this.#isClosed()) await this.#pause();
    }
  }

  #connectionOptions(): ConnectionOptions {
    const { url, seed, inboxPrefix, name, tls } = this.#options;
    return {
      servers: url.split(','),
      name,
      noEcho: true,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectDelayHandler: () => this.#nextDelayMs(),
      timeout: CONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
      ...(tls === undefined ? {} : { tls }),
      ...(seed === undefined
        ? {}
        : { authenticator: nkeyAuthenticator(() => new TextEncoder().encode(seedOf(seed))) }),
    };
  }

  async #serve(connection: NatsConnection): Promise<void> {
    if (this.#closed) {
      await connection.close();
      return;
    }
    this.#connection = connection;
    for (const wish of this.#wishes) this.#fulfil(wish, connection);
    this.#up();
    void this.#listen(connection);
    await connection.closed();
    for (const wish of this.#wishes) wish.subscription = undefined;
    this.#down();
  }

  async #listen(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) this.#onStatus(status);
  }

  #onStatus(status: Status): void {
    if (status.type === Events.Disconnect) this.#down();
    else if (status.type === Events.Reconnect) this.#up();
    else if (status.type === Events.Error) this.#onError(status);
  }

  #onError(status: Status): void {
    const { permissionContext } = status;
    if (permissionContext === undefined) {
      this.#log.warn('the broker reports an error', { error: JSON.stringify(status.data) });
      return;
    }
    const { operation, subject } = permissionContext;
    this.#tell({
      type: 'permission-violation',
      subject,
      operation: operation === 'publish' ? 'publish' : 'subscribe',
    });
  }

  #up(): void {
    if (this.connected || this.#closed) return;
    if (this.#connection !== undefined) gatherLarge(this.#connection);
    this.connected = true;
    this.#attempts = 0;
    const first = !this.#everConnected;
    this.#everConnected = true;
    this.#tell({ type: first ? 'connected' : 'reconnected' });
  }

  #down(): void {
    if (!this.connected) return;
    this.connected = false;
    this.#failRequests();
    this.#tell({ type: 'disconnected' });
  }

  #failRequests(): void {
    for (const reject of this.#requests) reject(brokerAway());
    this.#requests.clear();
  }

  #fulfil(wish: Wish, connection: NatsConnection): void {
    wish.subscription = connection.subscribe(wish.subject, {
      callback: (error: Error | null, message: Msg) => {
        // a refused subscription is reported by the status stream
        if (error !== null) return;
        const { subject, data, reply } = message;
        const release = releaseOf(data);
        wish.handler({
          subject,
          data,
          ...(reply === undefined || reply === '' ? {} : { reply }),
          ...(release === undefined ? {} : { release }),
        });
      },
    });
  }

  #nextDelayMs(): number {
    const [minMs, maxMs] = this.#options.backoffMs ?? BACKOFF_MS;
    const delayMs = Math.min(maxMs, minMs * 2 ** this.#attempts);
    this.#attempts = Math.min(this.#attempts + 1, 16);
    return delayMs * (0.75 + Math.random() / 4);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#endPause?.();
      }, this.#nextDelayMs());
      this.#endPause = () => {
        clearTimeout(timer);
        this.#endPause = undefined;
        resolve();
      };
    });
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #tell(status: TransportStatus): void {
    for (const listener of [...this.#statusListeners]) listener(status);
  }
}

function seedOf(seed: string | (() => string)): string {
  return typeof seed === 'string' ? seed : seed();
}

function brokerAway(cause?: unknown): AfterimageError {
  return new AfterimageError('broker-unreachable', 'the broker is away', { cause });
}

function requestFailed(error: unknown, subject: string): AfterimageError {
  if (error instanceof AfterimageError) return error;
  const code = error instanceof NatsError ? error.code : undefined;
  const options = { cause: error, facts: { subject } };
  if (code === (ErrorCode.NoResponders as string)) {
    return new AfterimageError('replica-unreachable', 'nobody listens on this subject', options);
  }
  if (code === (ErrorCode.Timeout as string)) {
    return new AfterimageError('timed-out', 'no answer in time', options);
  }
  return new AfterimageError('broker-unreachable', messageOf(error), options);
}
