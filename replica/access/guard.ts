/**
 * The hook at every door of the server: finds out who asks, and refuses what the route's role, the
 * caller's sets or the page it comes from do not allow. It fails closed: a route that says nothing of
 * who may ask is for admins.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AfterimageError } from '../../shared/errors.js';
import type { RouteRole } from '../serve/route-context.js';
import { type Caller, grantAccess, requireRole, requireSet } from './access.js';
import type { AccessDesk } from './access-desk.js';
import { SESSION_COOKIE, SESSION_COOKIE_SECURE, sessionSecretOf } from './doorkeeper.js';
import type { FailedTries } from './failed-tries.js';
import { isOwnOrigin } from './own-origin.js';

export interface GuardOptions {
  readonly desk: AccessDesk;
  readonly tries: FailedTries;
  /** `open`: metrics are told without a token. */
  readonly metrics?: 'open' | 'token' | undefined;
}

/** Outside /v1/, by the pattern that the route was registered with. */
const openPatterns = new Set(['/', '/console', '/console/', '/console/*', '/healthz', '/readyz']);

export function registerGuard(app: FastifyInstance, options: GuardOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    const least = leastRole(request, options);
    if (least === 'open') return;
    const caller = await identified(request, reply, options);
    grantAccess(request, caller);
    if (caller.via === 'session' && !isOwnOrigin(request)) {
      throw new AfterimageError('forbidden', 'another site asks in the name of this one');
    }
    options.desk.live.add(reply.raw, caller);
    requireRole(request, least);
    const { set } = request.params as { readonly set?: unknown };
    if (typeof set === 'string') requireSet(request, set);
  });
}

/** WebDAV clients know Basic authentication alone, and ask the user when they are told to. */
export function isDav(request: FastifyRequest): boolean {
  return /^\/dav(?:[/?]|$)/.test(request.url);
}

function leastRole(request: FastifyRequest, { metrics }: Pick<GuardOptions, 'metrics'>): RouteRole {
  const { config, url } = request.routeOptions;
  if (config.role !== undefined) return config.role;
  if (url === '/metrics') return metrics === 'open' ? 'open' : 'viewer';
  // No such route: those below /v1/ are not told apart for strangers.
  if (request.is404) return request.url.startsWith('/v1') || isDav(request) ? 'viewer' : 'open';
  if (isDav(request)) return 'viewer';
  return url !== undefined && openPatterns.has(url) ? 'open' : 'admin';
}

async function identified(
  request: FastifyRequest,
  reply: FastifyReply,
  { desk, tries }: GuardOptions,
): Promise<Caller> {
  const found = isDav(request) ? desk.door.identifyBasic(request) : desk.door.identify(request);
  if (typeof found !== 'string') return found;
  if (found === 'wrong') await tries.count(request);
  if (sessionSecretOf(request) !== undefined) {
    const secure = request.protocol === 'https';
    const name = secure ? SESSION_COOKIE_SECURE : SESSION_COOKIE;
    reply.clearCookie(name, { path: '/', secure });
  }
  throw new AfterimageError('unauthorised', 'the request carries no valid token');
}
