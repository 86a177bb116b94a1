/** Status of the replica and its sets; points of a set. */
import type { FastifyInstance } from 'fastify';
import { type PointsAnswer, pointsQuerySchema } from '../../../shared/api/points.js';
import type { StatusAnswer } from '../../../shared/api/status.js';
import { stageCounts } from '../../../shared/stages.js';
import { presentPoint, presentPointDetail, presentStatus } from '../present.js';
import { checked, findPoint, findSet, type PointParams, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';

export function registerPoints(app: FastifyInstance, context: RouteContext): void {
  const { sets, clock, version } = context.options;

  app.get('/v1/status', (): StatusAnswer => {
    const nowMs = clock.now();
    return {
      version,
      startedMs: context.startedMs,
      nowMs,
      sets: sets().map((served) => presentStatus(served, nowMs)),
      stages: stageCounts(),
    };
  });

  app.get<{ Params: SetParams }>('/v1/sets/:set/points', (request): PointsAnswer => {
    const { limit } = checked(pointsQuerySchema, request.query);
    const points = findSet(sets(), request.params.set).reader.points();
    return {
      set: request.params.set,
      points: points.slice(-limit).map(presentPoint),
      leftOut: Math.max(0, points.length - limit),
    };
  });

  app.get<{ Params: PointParams }>('/v1/sets/:set/points/:point', (request) => {
    const served = findSet(sets(), request.params.set);
    return presentPointDetail(served.reader.set, findPoint(served, request.params.point));
  });
}
