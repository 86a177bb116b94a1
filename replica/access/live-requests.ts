/**
 * Answers under way by whose token they were asked for, so that a stream ends when its token is revoked
 * or over, not when its client pleases.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../shared/clock.js';
import type { Caller } from './access.js';

const SWEEP_MS = 5_000;

export class LiveRequests {
  readonly #clock: Clock;
  readonly #live = new Map<ServerResponse, Caller>();
  readonly #timer: NodeJS.Timeout;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = setInterval(() => {
      this.sweep();
    }, SWEEP_MS).unref();
  }

  get size(): number {
    return this.#live.size;
  }

  add(response: ServerResponse, caller: Caller): void {
    this.#live.set(response, caller);
    response.once('close', () => {
      this.#live.delete(response);
    });
  }

  /** Breaks off what was asked with a token, but for the request that says so. */
  endOf(token: string, except?: ServerResponse): void {
    for (const [response, caller] of this.#live) {
      if (caller.token === token && response !== except) response.destroy();
    }
  }

  /** Breaks off what is past its time. */
  sweep(): void {
    const nowMs = this.#clock.now();
    for (const [response, { expiresMs }] of this.#live) {
      if (expiresMs !== null && expiresMs <= nowMs) response.destroy();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
