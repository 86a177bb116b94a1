/** What an operator says about keeping points: policies, holds, and pruning now. */
import type { FastifyInstance } from 'fastify';
import {
  type HoldJson,
  holdRequestSchema,
  pruneRequestSchema,
  type ReleaseAnswer,
  releaseRequestSchema,
  type RetentionAnswer,
  retentionRequestSchema,
} from '../../../shared/api/retention.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { AfterimageError } from '../../../shared/errors.js';
import type { Retention } from '../../retain/retention.js';
import { goneSignal } from '../gone-signal.js';
import { checked, findPoint, findSet, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { lineStream } from '../streams.js';

export function registerRetention(app: FastifyInstance, context: RouteContext): void {
  const { sets, log } = context.options;

  const desk = (): Retention => {
    const { retention } = context.options;
    if (retention !== undefined) return retention;
    throw new AfterimageError('not-found', 'this replica keeps every point');
  };

  app.get<{ Params: SetParams }>('/v1/sets/:set/retention', (request): RetentionAnswer => {
    return desk().settings(request.params.set);
  });

  app.post<{ Params: SetParams }>('/v1/sets/:set/retention', (request): RetentionAnswer => {
    const { policy } = checked(retentionRequestSchema, request.body);
    return desk().setPolicy(request.params.set, policy);
  });

  app.post<{ Params: SetParams }>('/v1/sets/:set/holds', (request): HoldJson => {
    const { set } = request.params;
    const { point, reason } = checked(holdRequestSchema, request.body);
    return desk().hold({ set, point: findPoint(findSet(sets(), set), point).point, reason });
  });

  app.post('/v1/holds/release', (request): ReleaseAnswer => {
    const which = checked(releaseRequestSchema, request.body);
    if ('hold' in which) return { released: desk().release(which) };
    const { set } = which;
    const { point } = findPoint(findSet(sets(), set), which.point);
    return { released: desk().release({ set, point }) };
  });

  app.post<{ Params: SetParams }>('/v1/sets/:set/prune', async (request, reply) => {
    const { effect } = checked(pruneRequestSchema, request.body ?? {});
    const { set } = request.params;
    findSet(sets(), set);
    const signal = AbortSignal.any([context.closing, goneSignal(reply)]);
    const lines = desk().prune(set, { effect, by: 'api', signal });
    return await reply.type(NDJSON_TYPE).send(lineStream(lines, { closing: context.closing, log }));
  });
}
