/** What a policy would do to a set's points; nothing is changed. */
import type { FastifyInstance } from 'fastify';
import {
  type SimulateAnswer,
  simulateRequestSchema,
  simulateSchema,
} from '../../../shared/api/retention.js';
import { AfterimageError } from '../../../shared/errors.js';
import { checked, findSet, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';

export function registerSimulate(app: FastifyInstance, context: RouteContext): void {
  const { sets, retention } = context.options;

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/retention/simulate',
    {
      config: {
        role: 'viewer',
        audit: false,
        describe: {
          summary: 'Which points a policy would keep, by which rule, without any being removed',
          tag: 'retention',
          body: simulateRequestSchema,
          answer: simulateSchema,
        },
      },
    },
    async (request): Promise<SimulateAnswer> => {
      const asked = checked(simulateRequestSchema, request.body);
      const { set } = findSet(sets(), request.params.set).reader;
      if (retention !== undefined) return await retention.simulate(set, asked);
      throw new AfterimageError('not-found', 'this replica keeps every point');
    },
  );
}
