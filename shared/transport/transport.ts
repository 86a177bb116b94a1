/**
 * What carries messages: NATS in production, beside it a direct stream where the replica
 * can be reached, memory in deterministic tests.
 * At-most-once, ordered per subject and publisher while connected; anything may be lost when a
 * connection breaks. Everything above assumes no more than that. One contract suite
 * (`test/contract/transport`) runs on every implementation.
 */
export interface TransportMessage {
  readonly subject: string;
  /** Belongs to the handler, which may write over it. */
  readonly data: Uint8Array;
  /** Present when the sender waits for an answer. */
  readonly reply?: string;
  /**
   * Gives the memory of `data` back to be used again, where that saves something: for a handler that
   * knows that nobody has a view of it any more. Without the call it is garbage like any other.
   */
  readonly release?: () => void;
}

export type TransportStatus =
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected' }
  | { readonly type: 'reconnected' }
  /** The broker refused a subject; arrives asynchronously. */
  | {
      readonly type: 'permission-violation';
      readonly subject: string;
      readonly operation: 'publish' | 'subscribe';
    }
  | { readonly type: 'closed'; readonly error?: Error };

export interface Subscription {
  unsubscribe(): void;
}

export interface Transport {
  readonly connected: boolean;
  /** Largest payload the broker takes, in bytes. */
  readonly payloadBytesMax: number;
  /** Queues for sending; never blocks, has no back-pressure (the credit window is above). */
  publish(subject: string, data: Uint8Array, reply?: string): void;
  /** `handler` is called in order and must not throw. Wildcards as in NATS (`*`, `>`). */
  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription;
  /** Fails with `timed-out`, `replica-unreachable` (nobody listens there) or `broker-unreachable`. */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  onStatus(listener: (status: TransportStatus) => void): Subscription;
  /** Resolves when everything published so far has reached the broker. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
