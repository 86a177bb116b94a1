/** How the API says that something failed: RFC 9457 problem details made from the error catalogue. */
import { z } from 'zod';
import {
  AfterimageError,
  asAfterimageError,
  catalogue,
  type ErrorCode,
  type ErrorFacts,
} from '../errors.js';

export const PROBLEM_TYPE = 'application/problem+json';

export const problemSchema = z.object({
  /** Always `about:blank`: the code tells failures apart. */
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  kind: z.string(),
  hint: z.string(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});
export type Problem = z.infer<typeof problemSchema>;

export function toProblem(error: unknown): Problem {
  const known = asAfterimageError(error);
  return {
    type: 'about:blank',
    title: known.code,
    status: known.status,
    detail: known.message,
    code: known.code,
    kind: known.kind,
    hint: known.hint,
    facts: { ...known.facts },
  };
}

/** The error that a problem was made from; a code of another version becomes `internal`. */
export function fromProblem(problem: Problem): AfterimageError {
  const facts: ErrorFacts = problem.facts;
  return isErrorCode(problem.code)
    ? new AfterimageError(problem.code, problem.detail, { facts })
    : new AfterimageError('internal', `${problem.code}: ${problem.detail}`, { facts });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}
