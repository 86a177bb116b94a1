/** Status of the replica and its sets; points of a set. */
import type { FastifyInstance } from 'fastify';
import {
  pointDetailSchema,
  type PointsAnswer,
  pointsQuerySchema,
  pointsSchema,
} from '../../../shared/api/points.js';
import { type StatusAnswer, statusSchema } from '../../../shared/api/status.js';
import { stageCounts } from '../../../shared/stages.js';
import { accessOf } from '../../access/access.js';
import { presentPoint, presentPointDetail, presentStatus } from '../present.js';
import { checked, findPoint, findSet, type PointParams, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';

export function registerPoints(app: FastifyInstance, context: RouteContext): void {
  const { sets, clock, version } = context.options;

  app.get(
    '/v1/status',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'State of the replica and of every set that the caller may see',
          tag: 'points',
          answer: statusSchema,
        },
      },
    },
    (request): StatusAnswer => {
      const { canSee } = accessOf(request);
      const nowMs = clock.now();
      return {
        version,
        startedMs: context.startedMs,
        nowMs,
        sets: sets()
          .filter(({ reader }) => canSee(reader.set))
          .map((served) => presentStatus(served, nowMs)),
        stages: stageCounts(),
      };
    },
  );

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/points',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'The newest points of a set, oldest first',
          tag: 'points',
          query: pointsQuerySchema,
          answer: pointsSchema,
        },
      },
    },
    (request): PointsAnswer => {
      const { limit } = checked(pointsQuerySchema, request.query);
      const points = findSet(sets(), request.params.set).reader.points();
      return {
        set: request.params.set,
        points: points.slice(-limit).map(presentPoint),
        leftOut: Math.max(0, points.length - limit),
      };
    },
  );

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point',
    {
      config: {
        role: 'viewer',
        describe: { summary: 'One point in full', tag: 'points', answer: pointDetailSchema },
      },
    },
    (request) => {
      const served = findSet(sets(), request.params.set);
      return presentPointDetail(served.reader.set, findPoint(served, request.params.point));
    },
  );
}
