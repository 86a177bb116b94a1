/**
 * Whether the process lives, and whether it can do its work. Both are told to everybody, so they say
 * no more than numbers.
 */
import type { FastifyInstance } from 'fastify';
import type { RouteContext } from '../route-context.js';

export function registerHealth(app: FastifyInstance, { options }: RouteContext): void {
  app.get('/healthz', { config: { role: 'open' } }, async (_request, reply) => {
    await reply.header('cache-control', 'no-store').send({ status: 'ok' });
  });

  app.get('/readyz', { config: { role: 'open' } }, async (_request, reply) => {
    const readiness = options.observe?.readiness() ?? { ready: true, checks: [] };
    await reply
      .code(readiness.ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(readiness);
  });
}
