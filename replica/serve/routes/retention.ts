/** What an operator says about keeping points: policies, holds, and pruning now. */
import type { FastifyInstance } from 'fastify';
import {
  type HoldJson,
  holdRequestSchema,
  holdSchema,
  pruneLineSchema,
  pruneRequestSchema,
  type ReleaseAnswer,
  releaseAnswerSchema,
  releaseRequestSchema,
  type RetentionAnswer,
  retentionRequestSchema,
  retentionSchema,
} from '../../../shared/api/retention.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { AfterimageError } from '../../../shared/errors.js';
import { requireRole } from '../../access/access.js';
import { noteAudit } from '../../access/audit-note.js';
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

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/retention',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Policy and holds of a set',
          tag: 'retention',
          answer: retentionSchema,
        },
      },
    },
    (request): RetentionAnswer => {
      return desk().settings(request.params.set);
    },
  );

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/retention',
    {
      config: {
        role: 'admin',
        audit: 'retention.set',
        describe: {
          summary: 'Sets or takes away the policy of a set',
          tag: 'retention',
          body: retentionRequestSchema,
          answer: retentionSchema,
        },
      },
    },
    (request): RetentionAnswer => {
      const { policy } = checked(retentionRequestSchema, request.body);
      return desk().setPolicy(request.params.set, policy);
    },
  );

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/holds',
    {
      config: {
        role: 'operator',
        audit: 'hold',
        describe: {
          summary: 'Holds a point: it is not pruned until released',
          tag: 'retention',
          body: holdRequestSchema,
          answer: holdSchema,
        },
      },
    },
    (request): HoldJson => {
      const { set } = request.params;
      const { point, reason } = checked(holdRequestSchema, request.body);
      return desk().hold({ set, point: findPoint(findSet(sets(), set), point).point, reason });
    },
  );

  app.post(
    '/v1/holds/release',
    {
      config: {
        role: 'admin',
        audit: 'release',
        describe: {
          summary: 'Releases a hold, or all of a point',
          tag: 'retention',
          body: releaseRequestSchema,
          answer: releaseAnswerSchema,
        },
      },
    },
    (request): ReleaseAnswer => {
      const which = checked(releaseRequestSchema, request.body);
      noteAudit(request, {
        ...('set' in which ? which : {}),
        detail: 'hold' in which ? which.hold : '',
      });
      if ('hold' in which) return { released: desk().release(which) };
      const { set } = which;
      const { point } = findPoint(findSet(sets(), set), which.point);
      return { released: desk().release({ set, point }) };
    },
  );

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/prune',
    {
      config: {
        role: 'operator',
        audit: 'prune',
        describe: {
          summary: 'Says which points the policy removes; an admin may let it remove them',
          tag: 'retention',
          body: pruneRequestSchema,
          lines: pruneLineSchema,
        },
      },
    },
    async (request, reply) => {
      const { effect } = checked(pruneRequestSchema, request.body ?? {});
      if (effect === 'remove') requireRole(request, 'admin');
      noteAudit(request, { detail: effect });
      const { set } = request.params;
      findSet(sets(), set);
      const signal = AbortSignal.any([context.closing, goneSignal(reply)]);
      const lines = desk().prune(set, { effect, by: 'api', signal });
      return await reply
        .type(NDJSON_TYPE)
        .send(lineStream(lines, { closing: context.closing, log }));
    },
  );
}
