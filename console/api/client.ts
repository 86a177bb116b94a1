/**
 * Requests to the API that served this page. Answers are taken for what shared/api says they are: the
 * replica checks its own shapes. Every request takes the signal of the page that asks (`useAnswer`
 * gives one), so that leaving a page ends what it asked for. Throws `ApiFailure`, or the abort.
 */
import type { Problem } from '../../shared/api/problem.js';
import { credentials, lostSession } from './session.js';
import { ApiFailure, failureOf, isAbort, unreachable } from './failure.js';

export type QueryValue = string | number | readonly string[] | undefined;
export type ApiQuery = Readonly<Record<string, QueryValue>>;

export interface Ask {
  readonly query?: ApiQuery;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The path with its query; values that are undefined are left out, arrays come repeatedly. */
export function apiUrl(path: string, query: ApiQuery = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'object' ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
}

export async function getJson<Answer>(path: string, ask: Ask = {}): Promise<Answer> {
  const response = await request('GET', path, ask);
  return await bodyOf<Answer>(response);
}

export async function postJson<Answer>(
  path: string,
  body: unknown,
  ask: Ask = {},
): Promise<Answer> {
  const response = await request('POST', path, ask, body);
  return await bodyOf<Answer>(response);
}

/** The answer as it came, for bytes; its status is below 400. */
export async function getResponse(path: string, ask: Ask = {}): Promise<Response> {
  return await request('GET', path, ask);
}

/**
 * The lines of a stream as they come, without its last one, which says that it is whole. Throws when
 * the stream says that it failed, or breaks off. Leaving the loop ends the request.
 */
export async function* getLines<Line extends { readonly type: string }>(
  path: string,
  ask: Ask & { readonly body?: unknown } = {},
): AsyncGenerator<Line> {
  const leaving = new AbortController();
  const signal =
    ask.signal === undefined ? leaving.signal : AbortSignal.any([ask.signal, leaving.signal]);
  const method = ask.body === undefined ? 'GET' : 'POST';
  const response = await request(method, path, { ...ask, signal }, ask.body);
  try {
    for await (const text of textLines(response)) {
      const line = JSON.parse(text) as Line | { type: 'problem'; problem: Problem };
      if (line.type === 'end') return;
      if (line.type === 'problem' && 'problem' in line) throw new ApiFailure(line.problem);
      yield line as Line;
    }
    throw unreachable(new Error('the stream was cut off'));
  } finally {
    leaving.abort();
  }
}

async function* textLines(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch((cause: unknown) => {
      throw isAbort(cause) ? cause : unreachable(cause);
    });
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
  if (rest !== '') yield rest;
}

async function request(
  method: 'GET' | 'POST',
  path: string,
  { query, signal, headers: extra }: Ask,
  body?: unknown,
): Promise<Response> {
  const headers = new Headers({ ...extra, ...credentials() });
  const init: RequestInit = { method, headers, credentials: 'same-origin' };
  if (signal !== undefined) init.signal = signal;
  if (body !== undefined) {
    headers.set('content-type', 'application/json');
    init.body = JSON.stringify(body);
  }
  const response = await fetch(apiUrl(path, query), init).catch((cause: unknown) => {
    throw isAbort(cause) ? cause : unreachable(cause);
  });
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (failure.status === 401) lostSession();
  throw failure;
}

async function bodyOf<Answer>(response: Response): Promise<Answer> {
  if (response.status === 204) return undefined as Answer;
  return (await response.json().catch((cause: unknown) => {
    throw isAbort(cause) ? cause : unreachable(cause);
  })) as Answer;
}
