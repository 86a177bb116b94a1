/** Serves the description of the API, which every route below /v1/ is part of. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type DescribedRoute, openApiDocument } from '../openapi.js';
import type { RouteContext } from '../route-context.js';

/** Before all other routes: it hears of each as it is registered. */
export function registerOpenApi(app: FastifyInstance, { options }: RouteContext): void {
  const routes: DescribedRoute[] = [];
  let text: string | undefined;
  app.addHook('onRoute', ({ method, url, config }) => {
    const { role, describe } = config ?? {};
    if (!url.startsWith('/v1/') || role === undefined || describe === undefined) return;
    for (const each of [method].flat()) routes.push({ method: each, url, role, describe });
  });
  app.get(
    '/v1/openapi.json',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'This description of the API, in OpenAPI 3.1',
          tag: 'status',
          answer: z.record(z.string(), z.unknown()),
        },
      },
    },
    async (_request, reply) => {
      text ??= JSON.stringify(openApiDocument(routes, options));
      return await reply.type('application/json').send(text);
    },
  );
}
