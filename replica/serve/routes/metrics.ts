/** Metrics for Prometheus; the guard asks for a viewer's token unless they are open. */
import type { FastifyInstance } from 'fastify';
import { AfterimageError } from '../../../shared/errors.js';
import type { RouteContext } from '../route-context.js';

export function registerMetrics(app: FastifyInstance, { options }: RouteContext): void {
  app.get('/metrics', async (_request, reply) => {
    const { observe } = options;
    if (observe === undefined) throw new AfterimageError('not-found', 'there are no metrics here');
    await reply.type(observe.metricsType).send(await observe.metrics());
  });
}
