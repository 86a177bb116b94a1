/** Status of the replica and its sets; points of a set. */
import type { FastifyInstance } from 'fastify';
import {
  pointDetailSchema,
  type PointJson,
  type PointsAnswer,
  pointsQuerySchema,
  pointsSchema,
} from '../../../shared/api/points.js';
import { type StatusAnswer, statusSchema } from '../../../shared/api/status.js';
import { stageCounts } from '../../../shared/stages.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import { accessOf } from '../../access/access.js';
import { columnsOf, positionOf } from '../../history/point-columns.js';
import { presentPoint, presentPointDetail, presentStatus } from '../present.js';
import {
  checked,
  findPoint,
  findSet,
  type PointParams,
  type SetParams,
  summaryOf,
} from '../requests.js';
import type { RouteContext } from '../route-context.js';
import type { ServedSet } from '../served-set.js';

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
      const { observe } = context.options;
      const waiting = observe?.desk.waiting();
      return {
        version,
        startedMs: context.startedMs,
        nowMs,
        sets: sets()
          .filter(({ reader }) => canSee(reader.set))
          .map((served) => ({
            ...presentStatus(served, nowMs),
            ...observe?.statusOf(served, waiting),
          })),
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
          summary: 'Points of a set, oldest first: the newest, or those before or after one',
          tag: 'points',
          query: pointsQuerySchema,
          answer: pointsSchema,
        },
      },
    },
    async (request): Promise<PointsAnswer> => {
      const query = checked(pointsQuerySchema, request.query);
      const served = findSet(sets(), request.params.set);
      const columns = (await served.reader.table?.columns()) ?? columnsOf(served.reader.points());
      const bound = (text: string): number => findPoint(served, text).point;
      const first = query.after === undefined ? 0 : positionOf(columns, bound(query.after) + 1);
      const end =
        query.before === undefined ? columns.count : positionOf(columns, bound(query.before));
      const wanted = Math.min(query.limit, Math.max(0, end - first));
      const forward = query.after !== undefined && query.before === undefined;
      const start = forward ? first : end - wanted;
      return {
        set: request.params.set,
        points: await present(served, columns.points.subarray(start, start + wanted)),
        leftOut: Math.max(0, end - first) - wanted,
        total: columns.count,
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

/** Those that retention removed meanwhile are left out. */
async function present(served: ServedSet, points: Float64Array): Promise<PointJson[]> {
  const slice = new TimeSlice();
  const found: PointJson[] = [];
  for (const point of points) {
    const summary = summaryOf(served, point);
    if (summary !== undefined) found.push(presentPoint(summary));
    await slice.breathe();
  }
  return found;
}
