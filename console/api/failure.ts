/** What every failed request of the console is: a problem of the API, or none at all came. */
import type { Problem } from '../../shared/api/problem.js';
import { texts } from '../texts.js';

/** Branch on `code`; show `message` and `hint`. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';
  readonly problem: Problem;

  constructor(problem: Problem, options?: { readonly cause?: unknown }) {
    super(problem.detail, options);
    this.problem = problem;
  }

  get code(): string {
    return this.problem.code;
  }

  get status(): number {
    return this.problem.status;
  }

  get hint(): string {
    return this.problem.hint;
  }
}

/** True for what follows from leaving a page; it is no failure to show. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Any error as one that can be shown. */
export function asFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new ApiFailure(problemOf('internal', detail, texts.api.internalHint), { cause: error });
}

/** Undefined for what this caller may not see, or this replica does not have. */
export async function orWithout<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asked;
  } catch (error) {
    const status = error instanceof ApiFailure ? error.status : 0;
    if (status === 403 || status === 404) return undefined;
    throw error;
  }
}

/** The request did not reach the replica, or its answer broke off. */
export function unreachable(cause: unknown): ApiFailure {
  return new ApiFailure(
    problemOf('unreachable', texts.api.unreachable, texts.api.unreachableHint),
    {
      cause,
    },
  );
}

/** The failure that an answer with a status of 400 or more tells of. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const body: unknown = await response.json().catch(() => null);
  if (isProblem(body)) return new ApiFailure(body);
  const detail = texts.api.status(response.status);
  return new ApiFailure({ ...problemOf('internal', detail, ''), status: response.status });
}

function isProblem(body: unknown): body is Problem {
  return (
    typeof body === 'object' &&
    body !== null &&
    'code' in body &&
    typeof body.code === 'string' &&
    'detail' in body &&
    typeof body.detail === 'string'
  );
}

function problemOf(code: string, detail: string, hint: string): Problem {
  return {
    type: 'about:blank',
    title: code,
    status: 0,
    detail,
    code,
    kind: 'retry',
    hint,
    facts: {},
  };
}
