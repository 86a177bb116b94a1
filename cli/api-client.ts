/** Talks to the replica's API: checks every answer's shape, and makes errors of its problems. */
import { createRequire } from 'node:module';
import type { Dispatcher, Pool } from 'undici';
import type { z } from 'zod';
import { fromProblem, PROBLEM_TYPE, problemSchema } from '../shared/api/problem.js';
import { endLineSchema, LINE_BYTES_MAX, problemLineSchema } from '../shared/api/stream.js';
import { AfterimageError, errnoOf, messageOf } from '../shared/errors.js';
import type { Connection } from './connection.js';

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface ApiRequest {
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON, by POST. */
  readonly body?: unknown;
  /** How long the answer may take to begin; for ever when 0. */
  readonly headersTimeoutMs?: number;
}

const HEADERS_TIMEOUT_MS = 60_000;
/** Between two pieces of an answer. */
const BODY_TIMEOUT_MS = 600_000;
const CONNECTIONS = 8;

type Answer = Dispatcher.ResponseData;

// What of undici is needed: all of it takes four times as long to load, and every command waits for it.
const load = createRequire(import.meta.url);
const PoolClass = load('undici/lib/dispatcher/pool.js') as typeof Pool;
const sendRequest = load('undici/lib/api/api-request.js') as (
  this: Pool,
  request: Dispatcher.RequestOptions,
) => Promise<Answer>;

export class ApiClient {
  readonly #pool: Pool;
  readonly #connection: Connection;
  readonly #signal: AbortSignal;

  /** @param signal cancels everything that is asked through this client */
  constructor(connection: Connection, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
    this.#pool = new PoolClass(new URL(connection.url).origin, { connections: CONNECTIONS });
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  /** One JSON answer. */
  async json<Schema extends z.ZodType>(
    schema: Schema,
    request: ApiRequest,
  ): Promise<z.output<Schema>> {
    const answer = await this.#send(request);
    try {
      return checkShape(schema, await answer.body.json());
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async bytes(request: ApiRequest): Promise<Buffer> {
    const answer = await this.#send(request);
    try {
      return Buffer.from(await answer.body.arrayBuffer());
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** A binary answer as it comes. */
  async *chunks(request: ApiRequest): AsyncGenerator<Buffer> {
    const answer = await this.#send(request);
    try {
      for await (const chunk of answer.body) yield chunk as Buffer;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The lines of a stream. Throws its problem, or `answer-malformed` when it was cut off. */
  async *lines<Schema extends z.ZodType>(
    schema: Schema,
    request: ApiRequest,
  ): AsyncGenerator<z.output<Schema>> {
    for await (const text of splitLines(this.chunks(request))) {
      const line = parseJson(text);
      const type = (line as { type?: unknown } | null)?.type;
      if (type === 'end') {
        checkShape(endLineSchema, line);
        return;
      }
      if (type === 'problem') throw fromProblem(checkShape(problemLineSchema, line).problem);
      yield checkShape(schema, line);
    }
    throw new AfterimageError('answer-malformed', 'the answer ended early');
  }

  async #send(request: ApiRequest): Promise<Answer> {
    const { path, query, body } = request;
    let answer: Answer;
    try {
      answer = await sendRequest.call(this.#pool, {
        method: body === undefined ? 'GET' : 'POST',
        path: `${new URL(this.#connection.url).pathname.replace(/\/$/, '')}${path}${queryText(query)}`,
        headers: {
          authorization: `Bearer ${this.#connection.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: this.#signal,
        headersTimeout: request.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
        bodyTimeout: BODY_TIMEOUT_MS,
      });
    } catch (error) {
      throw this.#explain(error);
    }
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer;
    throw await this.#problemOf(answer);
  }

  async #problemOf(answer: Answer): Promise<AfterimageError> {
    const text = await answer.body.text().catch((error: unknown) => messageOf(error));
    const type = String(answer.headers['content-type'] ?? '');
    if (type.startsWith(PROBLEM_TYPE)) {
      return fromProblem(checkShape(problemSchema, parseJson(text)));
    }
    return new AfterimageError(
      'answer-malformed',
      `${this.#connection.url} answered ${answer.statusCode}, which is not how a replica does`,
    );
  }

  /** What went wrong below HTTP. */
  #explain(cause: unknown): AfterimageError {
    if (cause instanceof AfterimageError) return cause;
    if (this.#signal.aborted) {
      return new AfterimageError('cancelled', 'the work was cancelled', { cause });
    }
    const { url } = this.#connection;
    const why = errnoOf(cause) ?? messageOf(cause);
    return new AfterimageError('replica-unreachable', `no replica answers at ${url}: ${why}`, {
      cause,
      facts: { url },
    });
  }
}

/** `/v1/sets/<set>/…` with the names escaped. */
export function setPath(set: string, ...rest: readonly string[]): string {
  return ['/v1/sets', set, ...rest]
    .map((part, index) => (index === 0 ? part : encodeURIComponent(part)))
    .join('/');
}

function queryText(query: Query | undefined): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    for (const item of Array.isArray(value) ? (value as readonly string[]) : [String(value)]) {
      parameters.append(key, item);
    }
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

function checkShape<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.map(String).join('.') ?? '';
  throw new AfterimageError(
    'answer-malformed',
    `the replica's answer is not understood: ${where}: ${issue?.message ?? ''}`,
    { cause: result.error },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AfterimageError('answer-malformed', "the replica's answer is not JSON", { cause });
  }
}

async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let held = '';
  for await (const chunk of chunks) {
    const lines = (held + decoder.decode(chunk, { stream: true })).split('\n');
    held = lines.pop() ?? '';
    if (held.length > LINE_BYTES_MAX) {
      throw new AfterimageError('answer-malformed', 'a line of the answer is too long');
    }
    yield* lines;
  }
  if (held !== '') yield held;
}
