/** Hears of every route below /v1/ as it is registered, for the description of the API and for tests. */
import type { FastifyInstance } from 'fastify';
import type { RouteDescription, RouteRole } from './route-context.js';

export interface ListedRoute {
  readonly method: string;
  /** The pattern it is registered with. */
  readonly url: string;
  readonly role: RouteRole | undefined;
  readonly describe: RouteDescription | undefined;
  readonly audit: string | false | undefined;
}

/** Before the first route is registered; the list grows with each. */
export function listRoutes(app: FastifyInstance): readonly ListedRoute[] {
  const routes: ListedRoute[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    // Those that only say what a path takes are no routes of their own.
    if (!url.startsWith('/v1/') || config?.refusesMethod === true) return;
    const { role, describe, audit } = config ?? {};
    for (const each of [method].flat()) routes.push({ method: each, url, role, describe, audit });
  });
  return routes;
}
