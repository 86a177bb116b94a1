/**
 * The agent's end of the direct stream of one set: dials where a HELLO said, and again after a pause
 * that grows while streams do not last. Whoever uses it goes on over the broker meanwhile.
 */
import { messageOf } from '../errors.js';
import { dialDirect, type DirectOffer } from './direct-dial.js';
import { DirectEnd, type DirectEndOptions } from './direct-end.js';

/** Milliseconds; tests shorten them. */
export interface DirectTiming {
  readonly dialMs: number;
  /** To the next attempt: from the first to the second, doubling. */
  readonly backoffMs: readonly [number, number];
  /** A stream that lasted this long was good: the pauses begin anew. */
  readonly steadyMs: number;
}

export const directTimingDefaults: DirectTiming = {
  dialMs: 3_000,
  backoffMs: [1_000, 60_000],
  steadyMs: 30_000,
};

export interface DirectClientOptions extends DirectEndOptions {
  readonly timing?: Partial<DirectTiming> | undefined;
  /** Why there is no stream, whenever that is news. */
  readonly onTrouble?: (why: string) => void;
  readonly monotonic: () => number;
}

export class DirectClient extends DirectEnd {
  readonly #timing: DirectTiming;
  readonly #onTrouble: (why: string) => void;
  readonly #monotonic: () => number;
  #offer: DirectOffer | undefined;
  #failures = 0;
  /** Not before this is dialled again. */
  #nextDialMs = -Infinity;
  #dialling = false;
  #timer: NodeJS.Timeout | undefined;
  #openedMs = 0;
  #stream: string | undefined;
  #peer = '';

  constructor(options: DirectClientOptions) {
    super(options);
    this.#timing = { ...directTimingDefaults, ...options.timing };
    this.#onTrouble = options.onTrouble ?? (() => undefined);
    this.#monotonic = options.monotonic;
    this.onStatus(({ type }) => {
      if (type === 'disconnected') this.#broke();
    });
  }

  /** Names the stream that stands: the session under which it was proven. */
  get stream(): string | undefined {
    return this.connected ? this.#stream : undefined;
  }
  /** Where it leads to. */
  get peer(): string {
    return this.#peer;
  }

  /** Where to dial from now on, in place of what was offered before; undefined for nowhere. */
  offer(offer: DirectOffer | undefined): void {
    this.#offer = offer;
    this.#schedule();
  }

  override close(): Promise<void> {
    this.#offer = undefined;
    clearTimeout(this.#timer);
    return super.close();
  }

  #broke(): void {
    const lastedMs = this.#monotonic() - this.#openedMs;
    if (lastedMs >= this.#timing.steadyMs) this.#failures = 0;
    // the session it belongs to is over; the next HELLO brings another
    if (this.#offer?.session === this.#stream) this.#offer = undefined;
    this.#stream = undefined;
    this.#failed(this.whyBroken);
  }

  #failed(why: string): void {
    const [minMs, maxMs] = this.#timing.backoffMs;
    const pauseMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    this.#nextDialMs = this.#monotonic() + pauseMs * (0.75 + Math.random() / 4);
    this.#onTrouble(why);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#offer === undefined || this.connected || this.#dialling || this.closed) return;
    const waitMs = this.#nextDialMs - this.#monotonic();
    if (waitMs <= 0) {
      void this.#dial(this.#offer);
      return;
    }
    this.#timer = setTimeout(() => {
      this.#schedule();
    }, waitMs);
    this.#timer.unref();
  }

  async #dial(offer: DirectOffer): Promise<void> {
    this.#dialling = true;
    try {
      const { aimed, host, port } = await dialDirect(offer, this.#timing.dialMs);
      this.#dialling = false;
      if (this.#offer === undefined) {
        aimed.socket.destroy();
        return;
      }
      this.#stream = offer.session;
      this.#peer = `${host}:${port}`;
      this.#openedMs = this.#monotonic();
      this.attach(aimed);
    } catch (error) {
      this.#dialling = false;
      this.#failed(messageOf(error));
    }
  }
}
