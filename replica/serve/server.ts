/**
 * The HTTP API over the sets of a replica. It listens on loopback unless told otherwise; every route
 * says who may ask it, and a hook at the door holds to that; every failure is a problem document
 * (RFC 9457) made from the error catalogue. docs/reference/http.md describes it for clients.
 */
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyInstance, type FastifyPluginCallback } from 'fastify';
import { healthSchema } from '../../shared/api/access.js';
import { openAccess } from '../access/access-desk.js';
import { registerAudit } from '../access/audit-hook.js';
import { createFailedTries } from '../access/failed-tries.js';
import { registerGuard } from '../access/guard.js';
import { registerHeaders } from './headers.js';
import { answerBadAddress, answerBadClient, answerProblems } from './problems.js';
import { refuseOtherMethods } from './refused-methods.js';
import { type ListedRoute, listRoutes } from './list-routes.js';
import type { RouteContext, ServerOptions } from './route-context.js';
import { registerAccess } from './routes/access.js';
import { registerActions } from './routes/actions.js';
import { registerAlarms } from './routes/alarms.js';
import { registerAgents } from './routes/agents.js';
import { registerAudit as registerAuditRoutes } from './routes/audit.js';
import { registerCertificates } from './routes/certificates.js';
import { registerChanges } from './routes/changes.js';
import { registerConsole } from './routes/console.js';
import { registerContents } from './routes/contents.js';
import { registerDownload } from './routes/download.js';
import { registerEvents } from './routes/events.js';
import { registerJobs } from './routes/jobs.js';
import { registerHealth } from './routes/health.js';
import { registerMetrics } from './routes/metrics.js';
import { registerNodes } from './routes/nodes.js';
import { registerHistory } from './routes/history.js';
import { registerOpenApi } from './routes/openapi.js';
import { registerPoints } from './routes/points.js';
import { registerRestore } from './routes/restore.js';
import { registerRetention } from './routes/retention.js';
import { registerScrub } from './routes/scrub.js';
import { registerSettings } from './routes/settings.js';
import { registerTree } from './routes/tree.js';
import { tlsServer } from './tls.js';
import { rewriteDav } from './webdav/dav-path.js';
import { registerWebdav } from './webdav/register-webdav.js';

export interface ServerAddress {
  readonly host: string;
  /** 0 chooses a free one. */
  readonly port: number;
}

export interface ApiServer {
  /** What every route below /v1/ says of itself, once it listens. */
  readonly routes: readonly ListedRoute[];
  /** Resolves with the URL to reach it at. */
  listen(address: ServerAddress): Promise<string>;
  /** Ends streams under way and frees the port. */
  close(): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024;

/** Throws `config-unreadable` and `config-invalid` for what TLS is configured with. */
export function createServer(options: ServerOptions): ApiServer {
  const closing = new AbortController();
  const app = createApp(options);
  const { clock, log } = options;
  const desk = options.access ?? openAccess({ localToken: options.token, clock, log });
  let url: string | undefined;
  const routes = listRoutes(app);
  answerProblems(app, log);
  registerHeaders(app, { scheme: schemeOf(options) });
  app.register(cookie);
  app.register(rateLimit, { global: false });
  // As a plugin it runs when those before it are there, and what it throws is what listening rejects with.
  const doors = (): void => {
    const tries = createFailedTries(app, options.tries);
    registerGuard(app, { desk, tries, metrics: options.metrics });
    registerAudit(app, { audit: desk.audit, monotonic: () => clock.monotonic() });
    const context: RouteContext = {
      ...{ options, access: desk, tries },
      startedMs: clock.now(),
      closing: closing.signal,
      url: () => url,
    };
    registerRoutes(app, context, routes);
  };
  app.register(atRoot(doors));
  return {
    routes,
    listen: async (address) => {
      const listening = await app.listen(address);
      url = listening.replace(/^https?/, schemeOf(options));
      return url;
    },
    close: async () => {
      closing.abort();
      await app.close();
      if (options.access === undefined) desk.close();
    },
  };
}

function createApp({ tls, trustedProxies = [], log }: ServerOptions): FastifyInstance {
  return Fastify({
    bodyLimit: BODY_BYTES_MAX,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
    rewriteUrl: rewriteDav,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    frameworkErrors: answerBadAddress,
    clientErrorHandler: answerBadClient,
    ...(tls === undefined ? {} : { serverFactory: tlsServer(tls, { log }) }),
  });
}

/** A plugin whose hooks hold for the whole server, as those of the framework's own do. */
function atRoot(register: () => void): FastifyPluginCallback {
  const plugin: FastifyPluginCallback = (_app, _options, done) => {
    register();
    done();
  };
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}

function schemeOf({ tls }: ServerOptions): 'http' | 'https' {
  return tls === undefined ? 'http' : 'https';
}

/** Every face of the server, a line each. */
function registerRoutes(
  app: FastifyInstance,
  context: RouteContext,
  routes: readonly ListedRoute[],
): void {
  const refuseOthers = refuseOtherMethods(app);
  registerOpenApi(app, context, routes);
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
  registerAccess(app, context);
  registerAuditRoutes(app, context);
  registerAgents(app, context);
  registerSettings(app, context);
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
  registerHistory(app, context);
  registerAlarms(app, context);
  registerHealth(app, context);
  registerMetrics(app, context);
  registerConsole(app);
  registerDownload(app, context);
  registerJobs(app, context);
  registerEvents(app, context);
  registerWebdav(app, context);
  context.options.addFaces?.(app);
  refuseOthers();
}
