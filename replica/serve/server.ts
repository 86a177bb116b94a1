/**
 * The HTTP API over the sets of a replica. It listens on loopback unless told otherwise; every
 * request but the health check carries the bearer token; every failure is a problem document
 * (RFC 9457) made from the error catalogue. docs/reference/http.md describes it for clients.
 */
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { healthSchema } from '../../shared/api/access.js';
import { PROBLEM_TYPE, toProblem } from '../../shared/api/problem.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import { grantAccess, makeAccess } from '../access/access.js';
import type { Log } from '../../shared/log.js';
import { registerActions } from './routes/actions.js';
import { registerCertificates } from './routes/certificates.js';
import { registerChanges } from './routes/changes.js';
import { registerConsole } from './routes/console.js';
import { registerContents } from './routes/contents.js';
import { registerNodes } from './routes/nodes.js';
import { registerPoints } from './routes/points.js';
import { registerRestore } from './routes/restore.js';
import { registerRetention } from './routes/retention.js';
import { registerScrub } from './routes/scrub.js';
import { registerTree } from './routes/tree.js';
import type { ServerOptions } from './route-context.js';
import { isAuthorised } from './token.js';

export interface ServerAddress {
  readonly host: string;
  /** 0 chooses a free one. */
  readonly port: number;
}

export interface ApiServer {
  /** Resolves with the URL to reach it at. */
  listen(address: ServerAddress): Promise<string>;
  /** Ends streams under way and frees the port. */
  close(): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024;

export function createServer(options: ServerOptions): ApiServer {
  const closing = new AbortController();
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
  });
  const context = { options, startedMs: options.clock.now(), closing: closing.signal };
  app.addHook('onRequest', (request, _reply, done) => {
    if (isAuthorised(request.headers.authorization, options.token)) {
      grantAccess(request, makeAccess({ who: 'local', role: 'admin', sets: null }));
    }
    const open = !request.url.startsWith('/v1/') || request.url === '/v1/health';
    if (open || isAuthorised(request.headers.authorization, options.token)) done();
    else done(new AfterimageError('unauthorised', 'the request carries no valid token'));
  });
  answerProblems(app, options.log);
  app.get(
    '/v1/health',
    {
      config: {
        role: 'open',
        describe: {
          summary: 'Answers while the replica serves',
          tag: 'status',
          answer: healthSchema,
        },
      },
    },
    () => ({ status: 'ok' }),
  );
  registerPoints(app, context);
  registerTree(app, context);
  registerNodes(app, context);
  registerContents(app, context);
  registerChanges(app, context);
  registerActions(app, context);
  registerCertificates(app, context);
  registerRestore(app, context);
  registerRetention(app, context);
  registerScrub(app, context);
  registerConsole(app);
  options.addFaces?.(app);
  return {
    listen: (address) => app.listen(address),
    close: async () => {
      closing.abort();
      await app.close();
    },
  };
}

function answerProblems(app: FastifyInstance, log: Log): void {
  app.setErrorHandler(async (cause, request, reply) => {
    const error = fromFramework(cause);
    if (error.kind === 'bug') log.error('a request failed', error, { url: request.url });
    const problem = toProblem(error);
    if (error.code === 'unauthorised') reply.header('www-authenticate', 'Bearer');
    await reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  });
  app.setNotFoundHandler(async (request, reply) => {
    const message = `there is no ${request.method} ${request.url}`;
    const problem = toProblem(new AfterimageError('not-found', message));
    await reply.code(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
  });
}

/** The framework's own refusals (body too large, not JSON …) are the caller's mistakes. */
function fromFramework(cause: unknown): AfterimageError {
  const status = (cause as Partial<FastifyError>).statusCode;
  if (cause instanceof Error && status !== undefined && status >= 400 && status < 500) {
    return new AfterimageError('argument-invalid', cause.message, { cause });
  }
  return asAfterimageError(cause);
}
