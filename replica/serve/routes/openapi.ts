/** Serves the description of the API, which every route below /v1/ is part of. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ListedRoute } from '../list-routes.js';
import { type DescribedRoute, openApiDocument } from '../openapi.js';
import type { RouteContext } from '../route-context.js';

export function registerOpenApi(
  app: FastifyInstance,
  { options }: RouteContext,
  routes: readonly ListedRoute[],
): void {
  let text: string | undefined;
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
      text ??= JSON.stringify(openApiDocument(routes.flatMap(described), options));
      return await reply.type('application/json').send(text);
    },
  );
}

function described({ method, url, role, describe }: ListedRoute): DescribedRoute[] {
  return role === undefined || describe === undefined ? [] : [{ method, url, role, describe }];
}
