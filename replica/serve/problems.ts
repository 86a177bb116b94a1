/** Every failure as a problem document (RFC 9457), also those that happen before a route is found. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, toProblem } from '../../shared/api/problem.js';
import { AfterimageError, asAfterimageError, errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { noteProblem } from '../access/audit-note.js';
import { isDav } from '../access/guard.js';

export function answerProblems(app: FastifyInstance, log: Log): void {
  app.setErrorHandler(async (cause, request, reply) => {
    const error = fromFramework(cause);
    if (error.kind === 'bug') log.error('a request failed', error, { url: request.url });
    await sendProblem(request, reply, error);
  });
  app.setNotFoundHandler(async (request, reply) => {
    const message = `there is no ${request.method} ${request.url}`;
    await sendProblem(request, reply, new AfterimageError('not-found', message));
  });
}

/** Addresses that no route can be looked up for. */
export function answerBadAddress(
  cause: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { problem, headers } = problemAnswer(request, fromFramework(cause));
  void reply.code(problem.status).headers(headers).send(JSON.stringify(problem));
}

/** What is not HTTP, too long or too slow. */
export function answerBadClient(cause: Error & { readonly code?: string }, socket: Socket): void {
  if (errnoOf(cause) === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = toProblem(new AfterimageError('argument-invalid', cause.message, { cause }));
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

async function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: AfterimageError,
): Promise<void> {
  const { problem, headers } = problemAnswer(request, error);
  noteProblem(request, problem.code);
  await reply.code(problem.status).headers(headers).send(JSON.stringify(problem));
}

function problemAnswer(
  request: FastifyRequest,
  error: AfterimageError,
): {
  readonly problem: ReturnType<typeof toProblem>;
  readonly headers: Readonly<Record<string, string>>;
} {
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  const { retryAfterS, allow } = error.facts;
  if (error.code === 'unauthorised') {
    headers['www-authenticate'] = isDav(request) ? 'Basic realm="afterimage"' : 'Bearer';
  }
  if (retryAfterS !== undefined) headers['retry-after'] = String(retryAfterS);
  if (error.code === 'method-refused') headers['allow'] = String(allow);
  return { problem: toProblem(error), headers };
}

/** The framework's own refusals (body too large, not JSON …) are the caller's mistakes. */
function fromFramework(cause: unknown): AfterimageError {
  const status = (cause as Partial<FastifyError>).statusCode;
  if (cause instanceof Error && status !== undefined && status >= 400 && status < 500) {
    return new AfterimageError('argument-invalid', cause.message, { cause });
  }
  return asAfterimageError(cause);
}
