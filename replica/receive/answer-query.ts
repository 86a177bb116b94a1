/**
 * Answers an agent's questions about its own set (R21), beside the frames: a few at a time for each
 * set, and a long signature in parts from one computation.
 */
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import {
  type Answer,
  decodeQuery,
  encodeAnswer,
  type Query,
  SIGNATURE_PART_BYTES,
} from '../../shared/protocol/query.js';
import { BODY_BYTES_MAX } from '../../shared/protocol/frame.js';
import type { SetPort } from './set-port.js';

/** Questions of one set that are worked on or wait. */
const QUESTIONS_MAX = 16;
const ANSWER_HEAD_BYTES = 8 * 1024;

/** Answers a question about a restore that this set's agent was asked for. */
export type AnswerRestore = (question: Uint8Array) => Promise<Answer>;

export class QueryDesk {
  readonly #port: SetPort;
  readonly #restores: AnswerRestore | undefined;
  #open = 0;
  #signature: { readonly key: string; readonly bytes: Promise<Uint8Array> } | undefined;

  constructor(port: SetPort, restores?: AnswerRestore) {
    this.#port = port;
    this.#restores = restores;
  }

  /** The encoded answer to an encoded question; an error is an answer too. Never rejects. */
  async answer(body: Uint8Array): Promise<Buffer> {
    if (this.#open >= QUESTIONS_MAX) {
      return encodeAnswer(new AfterimageError('timed-out', 'too many questions at once'));
    }
    this.#open += 1;
    try {
      const answer = await this.#answer(decodeQuery(body));
      if (answer.bytes.length > BODY_BYTES_MAX - ANSWER_HEAD_BYTES) {
        throw new AfterimageError('internal', `an answer of ${answer.bytes.length} bytes`);
      }
      return encodeAnswer(answer);
    } catch (error) {
      return encodeAnswer(asAfterimageError(error));
    } finally {
      this.#open -= 1;
    }
  }

  async #answer(query: Query): Promise<Answer> {
    switch (query.type) {
      case 'has': {
        const bytes = await this.#port.has(query.digests);
        return { bytes, total: bytes.length, next: null };
      }
      case 'signature': {
        const whole = await this.#signatureOf(query);
        const bytes = whole.subarray(query.offset, query.offset + SIGNATURE_PART_BYTES);
        return { bytes, total: whole.length, next: null };
      }
      case 'state': {
        const { records, next } = await this.#port.listState(query.cursor);
        return { bytes: records, total: records.length, next };
      }
      case 'restore': {
        if (this.#restores !== undefined) return await this.#restores(query.question);
        throw new AfterimageError('restore-unknown', 'no restores by agents are asked for here');
      }
    }
  }

  #signatureOf(query: Extract<Query, { type: 'signature' }>): Promise<Uint8Array> {
    const { node, minBytes, averageBytes, maxBytes } = query;
    const key = [node, minBytes, averageBytes, maxBytes].join(' ');
    if (query.offset > 0 && this.#signature?.key === key) return this.#signature.bytes;
    const bytes = this.#port.signature({ node, minBytes, averageBytes, maxBytes });
    this.#signature = { key, bytes };
    return bytes;
  }
}
