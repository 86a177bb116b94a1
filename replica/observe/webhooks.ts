/**
 * Tells alarms to webhooks: one POST for what begins, gets worse, is acknowledged, and ends. A body is
 * signed when there is a secret; a delivery that fails is tried again, each time later, and given up
 * after an hour. Nobody waits for it; what waits is bounded.
 */
import { createHmac, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import type { AlarmJson } from '../../shared/api/alarms.js';
import type { Clock } from '../../shared/clock.js';
import type { WebhookConfig } from '../../shared/config/alerts-config.js';
import { AfterimageError, messageOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { AlarmEvent } from './alarm-desk.js';

export interface WebhookDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Between the first failure and the next try, ms; doubled each time. */
  readonly retryMs?: number;
}

export interface WebhookCounts {
  readonly delivered: number;
  readonly failed: number;
  /** Given up, or too many were waiting. */
  readonly dropped: number;
}

/** `Afterimage-Signature: t=SECONDS,v1=HEX`, HMAC-SHA-256 of `SECONDS.BODY`. */
export const SIGNATURE_HEADER = 'afterimage-signature';
/** The same for all tries of one delivery: who gets it twice can tell. */
export const DELIVERY_HEADER = 'afterimage-delivery';

const RETRY_MS = 2_000;
const RETRY_MS_MAX = 5 * 60_000;
const GIVE_UP_MS = 3600_000;
const TIMEOUT_MS = 10_000;
const WAITING_MAX = 256;

interface Delivery {
  readonly id: string;
  readonly alarm: AlarmJson;
  readonly event: AlarmEvent;
  readonly sinceMs: number;
}

/** One receiver: what is told to it goes out in order, one after the other. */
export class Webhook {
  readonly #config: WebhookConfig;
  readonly #deps: WebhookDeps;
  readonly #closing = new AbortController();
  readonly #waiting: Delivery[] = [];
  #running: Promise<void> | undefined;
  #delivered = 0;
  #failed = 0;
  #dropped = 0;

  constructor(config: WebhookConfig, deps: WebhookDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  get counts(): WebhookCounts {
    return { delivered: this.#delivered, failed: this.#failed, dropped: this.#dropped };
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  tell(alarm: AlarmJson, event: AlarmEvent): void {
    const { kinds, sets } = this.#config;
    if (kinds !== undefined && !kinds.includes(alarm.kind)) return;
    if (sets !== undefined && (alarm.set === null || !sets.includes(alarm.set))) return;
    if (this.#closing.signal.aborted) return;
    // What nobody heard of yet and is over need not be told.
    const unheard = this.#waiting.findIndex(
      (one, at) => at > 0 && one.alarm.id === alarm.id && one.event === 'raised',
    );
    if (event === 'settled' && unheard > 0) {
      this.#waiting.splice(unheard, 1);
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) {
      this.#waiting.splice(1, 1);
      this.#dropped += 1;
    }
    this.#waiting.push({ id: randomUUID(), alarm, event, sinceMs: this.#deps.clock.monotonic() });
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let [next] = this.#waiting;
    while (next !== undefined && !this.#closing.signal.aborted) {
      await this.#deliver(next);
      this.#waiting.shift();
      [next] = this.#waiting;
    }
  }

  /** Tries until it is delivered, refused for good, or too old. */
  async #deliver(delivery: Delivery): Promise<void> {
    const { clock, log, retryMs = RETRY_MS } = this.#deps;
    for (let tries = 0; ; tries += 1) {
      const problem = await this.#post(delivery);
      if (problem === undefined) {
        this.#delivered += 1;
        return;
      }
      if (this.#closing.signal.aborted) return;
      this.#failed += 1;
      const isOver = clock.monotonic() - delivery.sinceMs > GIVE_UP_MS;
      if (isOver || !problem.isWorthRetrying) {
        this.#dropped += 1;
        const { host } = new URL(this.#config.url);
        log.error('an alarm was not delivered', problem.error, { alarm: delivery.alarm.id, host });
        return;
      }
      const waitMs = Math.min(RETRY_MS_MAX, retryMs * 2 ** Math.min(tries, 20));
      await delay(waitMs, undefined, { signal: this.#closing.signal, ref: false }).catch(
        () => undefined,
      );
    }
  }

  async #post({
    id,
    alarm,
    event,
  }: Delivery): Promise<
    { readonly error: AfterimageError; readonly isWorthRetrying: boolean } | undefined
  > {
    const { clock, version } = this.#deps;
    const sentMs = clock.now();
    const body = JSON.stringify({ version: 1, event, sentMs, alarm });
    try {
      const { statusCode, body: answer } = await request(this.#config.url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          'user-agent': `afterimage/${version}`,
          [DELIVERY_HEADER]: id,
          ...(await this.#signature(body, sentMs)),
        },
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      await answer.dump({ limit: 64 * 1024 });
      if (statusCode >= 200 && statusCode < 300) return undefined;
      const error = undelivered(`the webhook answered ${statusCode}`);
      return { error, isWorthRetrying: statusCode >= 500 || [408, 425, 429].includes(statusCode) };
    } catch (cause) {
      return { error: undelivered(messageOf(cause), cause), isWorthRetrying: true };
    }
  }

  async #signature(body: string, sentMs: number): Promise<Record<string, string>> {
    const { secretFile } = this.#config;
    if (secretFile === undefined) return {};
    const [secret = ''] = (await fs.readFile(secretFile, 'utf8')).split('\n');
    const seconds = Math.floor(sentMs / 1000);
    return { [SIGNATURE_HEADER]: `t=${seconds},v1=${signatureOf(secret.trim(), seconds, body)}` };
  }
}

/** What a receiver computes to compare. */
export function signatureOf(secret: string, seconds: number, body: string): string {
  return createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
}

function undelivered(message: string, cause?: unknown): AfterimageError {
  return new AfterimageError('webhook-failed', message, { cause });
}
