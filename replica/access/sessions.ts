/**
 * Sessions of the console: a cookie's secret stands for a token that was shown once. Held in memory as
 * hashes, so many at a time and for so long; a replica that starts again knows none.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../shared/clock.js';

export const SESSION_MS_DEFAULT = 12 * 3600 * 1000;
const SESSIONS_MAX = 1000;
/** Of one token: the oldest ends when there would be more. */
const SESSIONS_PER_TOKEN_MAX = 20;
const SECRET_BYTES = 32;

export interface Session {
  /** Of the token that was shown; `local` for the one in the data folder. */
  readonly token: string;
  readonly expiresMs: number;
}

export class Sessions {
  readonly #clock: Clock;
  readonly #lastMs: number;
  /** Oldest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock, lastMs: number = SESSION_MS_DEFAULT) {
    this.#clock = clock;
    this.#lastMs = lastMs;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The secret for the cookie. `untilMs`: when the token itself ends. */
  begin(token: string, untilMs: number | null): Session & { readonly secret: string } {
    this.#makeRoom(token);
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const expiresMs = Math.min(this.#clock.now() + this.#lastMs, untilMs ?? Infinity);
    this.#sessions.set(hashOf(secret), { token, expiresMs });
    return { token, expiresMs, secret };
  }

  find(secret: string): Session | undefined {
    const key = hashOf(secret);
    const session = this.#sessions.get(key);
    if (session === undefined || session.expiresMs > this.#clock.now()) return session;
    this.#sessions.delete(key);
    return undefined;
  }

  /** True when there was one. */
  end(secret: string): boolean {
    return this.#sessions.delete(hashOf(secret));
  }

  /** Ends those of a token. */
  endOf(token: string): void {
    for (const [key, session] of this.#sessions) {
      if (session.token === token) this.#sessions.delete(key);
    }
  }

  #makeRoom(token: string): void {
    const nowMs = this.#clock.now();
    const own: string[] = [];
    for (const [key, session] of this.#sessions) {
      if (session.expiresMs <= nowMs) this.#sessions.delete(key);
      else if (session.token === token) own.push(key);
    }
    for (const key of own.slice(0, Math.max(0, own.length + 1 - SESSIONS_PER_TOKEN_MAX))) {
      this.#sessions.delete(key);
    }
    for (const key of this.#sessions.keys()) {
      if (this.#sessions.size < SESSIONS_MAX) break;
      this.#sessions.delete(key);
    }
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}
