/**
 * Questions to the replica over the session of a set, asked again after every break until they are
 * answered; but nothing is asked or waited for while the application is held.
 */
import { AfterimageError } from '../../shared/errors.js';
import { DIGEST_BYTES } from '../../shared/limits.js';
import { malformed } from '../../shared/protocol/bytes.js';
import { decodeMessage } from '../../shared/protocol/frame.js';
import {
  type Answer,
  decodeAnswer,
  encodeQuery,
  HAS_DIGESTS_MAX,
  type Query,
} from '../../shared/protocol/query.js';
import { plainBody } from '../../shared/seal/sealing-key.js';
import { countStage, Stage } from '../../shared/stages.js';
import type { Transport } from '../../shared/transport/transport.js';
import type { LiveSession } from './say-hello.js';

const HAS_TIMEOUT_MS = 30_000;
const SLOW_TIMEOUT_MS = 600_000;
const HAS_IN_FLIGHT = 4;
const RETRY_MS = 20;

export interface SetQuestionsOptions {
  readonly transport: Transport;
  readonly subject: () => string;
  readonly session: () => LiveSession | undefined;
  /** Why nobody may wait for the network now, if so; `closed` asks only for the session's end. */
  readonly refusal: (about: 'all' | 'closed') => AfterimageError | undefined;
}

interface Waiting {
  readonly about: Query['type'];
  readonly resolve: (session: LiveSession) => void;
  readonly reject: (error: AfterimageError) => void;
}

export class SetQuestions {
  readonly #options: SetQuestionsOptions;
  /** Questions that travel. */
  readonly #asked = new Map<(reason: AfterimageError) => void, Query['type']>();
  /** Questions that wait for a session. */
  #waiting: Waiting[] = [];
  #number = 0;

  constructor(options: SetQuestionsOptions) {
    this.#options = options;
  }

  /** One byte, 0 or 1, for each digest. */
  async has(digests: Uint8Array): Promise<Uint8Array> {
    const start = performance.now();
    const count = digests.length / DIGEST_BYTES;
    const answers = new Uint8Array(count);
    let asked = 0;
    const askInTurn = async (): Promise<void> => {
      while (asked < count) {
        const start = asked;
        const end = Math.min(count, start + HAS_DIGESTS_MAX);
        asked = end;
        const batch = digests.subarray(start * DIGEST_BYTES, end * DIGEST_BYTES);
        const { bytes } = await this.#ask({ type: 'has', digests: batch }, HAS_TIMEOUT_MS);
        if (bytes.length !== end - start) throw malformed('an answer for other digests');
        answers.set(bytes, start);
      }
    };
    await Promise.all(Array.from({ length: HAS_IN_FLIGHT }, askInTurn));
    countStage(Stage.has, start, digests.length);
    return answers;
  }

  async signature(request: Omit<Extract<Query, { type: 'signature' }>, 'type' | 'offset'>) {
    const parts: Uint8Array[] = [];
    let offset = 0;
    for (;;) {
      const query: Query = { type: 'signature', ...request, offset };
      const { bytes, total } = await this.#ask(query, SLOW_TIMEOUT_MS);
      parts.push(bytes);
      offset += bytes.length;
      if (offset >= total || bytes.length === 0) return Buffer.concat(parts);
    }
  }

  async state(cursor: string): Promise<{ records: Uint8Array; next: string | null }> {
    const { bytes, next } = await this.#ask({ type: 'state', cursor }, SLOW_TIMEOUT_MS);
    return { records: bytes, next };
  }

  async restore(question: Uint8Array): Promise<Answer> {
    return await this.#ask({ type: 'restore', question }, HAS_TIMEOUT_MS);
  }

  /** A session lives: what waited is asked. */
  resume(session: LiveSession): void {
    for (const waiting of this.#waiting.splice(0)) waiting.resolve(session);
  }

  /** The session broke: what was asked in it is asked again in the next. */
  interrupt(reason: AfterimageError): void {
    for (const reject of this.#asked.keys()) reject(reason);
    this.#asked.clear();
  }

  /** Nobody waits while the application is held, but for restores, for which nothing is held. */
  hold(reason: AfterimageError): void {
    for (const [reject, about] of this.#asked) if (about !== 'restore') reject(reason);
    const waiting = this.#waiting.splice(0);
    this.#waiting = waiting.filter(({ about }) => about === 'restore');
    for (const { about, reject } of waiting) if (about !== 'restore') reject(reason);
  }

  /** Nobody may wait any more: everything fails. */
  giveUp(reason: AfterimageError): void {
    this.interrupt(reason);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason);
  }

  async #ask(query: Query, timeoutMs: number): Promise<Answer> {
    for (;;) {
      const session = await this.#liveSession(query.type);
      try {
        return await this.#askOnce(session, query, timeoutMs);
      } catch (error) {
        if (!(error instanceof AfterimageError) || error.kind !== 'retry') throw error;
        if (this.#refusal(query.type) !== undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #refusal(about: Query['type']): AfterimageError | undefined {
    return this.#options.refusal(about === 'restore' ? 'closed' : 'all');
  }

  #liveSession(about: Query['type']): Promise<LiveSession> {
    const refusal = this.#refusal(about);
    if (refusal !== undefined) return Promise.reject(refusal);
    const session = this.#options.session();
    if (session !== undefined) return Promise.resolve(session);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ about, resolve, reject });
    });
  }

  #askOnce(session: LiveSession, query: Query, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#number += 1;
      const number = this.#number;
      this.#asked.set(reject, query.type);
      const { bytes } = session.seal.seal(plainBody('query', number, encodeQuery(query)));
      this.#options.transport
        .request(this.#options.subject(), bytes, timeoutMs)
        .then((reply) => {
          const message = decodeMessage(reply);
          if (message.header.type === 'stale') throw staleSession();
          if (message.header.type !== 'answer' || message.header.sequence !== number) {
            throw malformed('an answer to another question');
          }
          resolve(decodeAnswer(session.open.openRaw(message)));
        })
        .catch(reject)
        .finally(() => {
          this.#asked.delete(reject);
        });
    });
  }
}

function staleSession(): AfterimageError {
  return new AfterimageError('session-stale', 'the replica does not know this session');
}
