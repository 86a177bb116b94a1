/** The timeline of a set: all its points as stretches of time, and one by one where few are asked for. */
import type { FastifyInstance } from 'fastify';
import {
  TIMELINE_POINTS_MAX,
  type TimelineAnswer,
  type TimelinePoint,
  timelineQuerySchema,
  timelineSchema,
} from '../../../shared/api/timeline.js';
import { columnsOf } from '../../history/point-columns.js';
import { drawTimeline, timeSpan } from '../../history/timeline.js';
import { presentPoint } from '../present.js';
import { checked, findSet, type SetParams, summaryOf } from '../requests.js';
import type { RouteContext, ServerOptions } from '../route-context.js';
import type { ServedSet } from '../served-set.js';

/** Newest mass changes that are looked at. */
const ALARMS_MAX = 1000;

export function registerTimeline(app: FastifyInstance, context: RouteContext): void {
  const { sets, retention } = context.options;

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/timeline',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'All points of a set as stretches of time, and one by one where they are few',
          tag: 'points',
          query: timelineQuerySchema,
          answer: timelineSchema,
        },
      },
    },
    async (request): Promise<TimelineAnswer> => {
      const query = checked(timelineQuerySchema, request.query);
      const { set } = request.params;
      const served = findSet(sets(), set);
      const { reader } = served;
      const columns = (await reader.table?.columns()) ?? columnsOf(reader.points());
      const span = timeSpan(columns);
      const fromMs = query.from ?? span?.firstMs ?? 0;
      const toMs = Math.max(fromMs, query.to ?? (span?.lastMs ?? 0) + 1);
      const held = new Set(retention?.holds(set).map(({ point }) => point));
      const flagged = new Set(flaggedPoints(context.options, set));
      const drawn = drawTimeline(columns, {
        ...{ fromMs, toMs, held, flagged, buckets: query.buckets },
        listMax: TIMELINE_POINTS_MAX,
      });
      return {
        ...{ set, fromMs, toMs, bucketMs: drawn.bucketMs },
        firstMs: span?.firstMs ?? null,
        lastMs: span?.lastMs ?? null,
        total: columns.count,
        inRange: drawn.inRange,
        buckets: drawn.buckets,
        points: drawn.points === undefined ? null : list(served, drawn.points, { held, flagged }),
      };
    },
  );
}

/** The first point of each mass change. */
function flaggedPoints({ flaggedPoints: given, observe }: ServerOptions, set: string): number[] {
  if (given !== undefined) return [...given(set)];
  const alarms = observe?.desk.list({ set, kind: 'mass-change', limit: ALARMS_MAX }) ?? [];
  return alarms.flatMap(({ facts }) => facts.firstPoint ?? []);
}

/** A point that retention removed meanwhile is left out. */
function list(
  served: ServedSet,
  points: readonly number[],
  of: { readonly held: ReadonlySet<number>; readonly flagged: ReadonlySet<number> },
): TimelinePoint[] {
  return points.flatMap((point) => {
    const summary = summaryOf(served, point);
    if (summary === undefined) return [];
    return [{ ...presentPoint(summary), held: of.held.has(point), flagged: of.flagged.has(point) }];
  });
}
