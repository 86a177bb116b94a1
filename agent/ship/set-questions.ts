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
import type { Transport } from '../../shared/transport/transport.js';
import type { LiveSession } from './say-hello.js';

const HAS_TIMEOUT_MS = 30_000;
const SLOW_TIMEOUT_MS = 600_000;
const HAS_IN_FLIGHT = 4;

export class SetQuestions {
  readonly #transport: Transport;
  readonly #subject: string;
  /** Resolves when a session lives; rejects when held or closed. */
  readonly #session: () => Promise<LiveSession>;
  readonly #pending = new Set<(reason: AfterimageError) => void>();
  #number = 0;

  constructor(options: {
    readonly transport: Transport;
    readonly subject: string;
    readonly session: () => Promise<LiveSession>;
  }) {
    this.#transport = options.transport;
    this.#subject = options.subject;
    this.#session = options.session;
  }

  /** One byte, 0 or 1, for each digest. */
  async has(digests: Uint8Array): Promise<Uint8Array> {
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

  /** The session broke or must not be waited for: what was asked in it is asked again, or given up. */
  interrupt(reason: AfterimageError): void {
    for (const reject of this.#pending) reject(reason);
    this.#pending.clear();
  }

  async #ask(query: Query, timeoutMs: number): Promise<Answer> {
    for (;;) {
      const session = await this.#session();
      try {
        return await this.#askOnce(session, query, timeoutMs);
      } catch (error) {
        if (!(error instanceof AfterimageError) || error.kind !== 'retry') throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  #askOnce(session: LiveSession, query: Query, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#number += 1;
      const number = this.#number;
      this.#pending.add(reject);
      const { bytes } = session.seal.seal(plainBody('query', number, encodeQuery(query)));
      this.#transport
        .request(this.#subject, bytes, timeoutMs)
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
          this.#pending.delete(reject);
        });
    });
  }
}

function staleSession(): AfterimageError {
  return new AfterimageError('session-stale', 'the replica does not know this session');
}
