/** What an operator asks to be done: a sync now, a verification. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import {
  type SyncAnswer,
  syncAnswerSchema,
  syncRequestSchema,
  verifyLineSchema,
  verifyRequestSchema,
} from '../../../shared/api/actions.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { AfterimageError } from '../../../shared/errors.js';
import type { PointSummary } from '../../history/set-reader.js';
import { recordVerification } from '../../certify/record-verification.js';
import { verifySet } from '../../verify/verify-set.js';
import { askedPoint } from '../asked-point.js';
import { goneSignal } from '../gone-signal.js';
import { presentPoint } from '../present.js';
import { checked, findPoint, findSet, type SetParams } from '../requests.js';
import type { ServedSet } from '../served-set.js';
import type { RouteContext } from '../route-context.js';
import { lineStream } from '../streams.js';

export function registerActions(app: FastifyInstance, context: RouteContext): void {
  const { sets, hash, clock, log } = context.options;

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/sync',
    {
      config: {
        role: 'operator',
        audit: 'sync',
        describe: {
          summary: 'Asks the agent of a set for a sync, and waits for its point if told',
          tag: 'actions',
          body: syncRequestSchema,
          answer: syncAnswerSchema,
        },
      },
    },
    async (request, reply): Promise<SyncAnswer> => {
      const { waitMs } = checked(syncRequestSchema, request.body ?? {});
      const served = findSet(sets(), request.params.set);
      const point = waitMs === 0 ? await ask(served) : await askAndWait(served, waitMs, reply);
      return { set: served.reader.set, point: point === null ? null : presentPoint(point) };
    },
  );

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/verify',
    {
      config: {
        role: 'operator',
        audit: 'verify',
        describe: {
          summary: 'Verifies points of a set',
          tag: 'actions',
          body: verifyRequestSchema,
          lines: verifyLineSchema,
        },
      },
    },
    async (request, reply) => {
      const { point, depth } = checked(verifyRequestSchema, request.body ?? {});
      const served = findSet(sets(), request.params.set);
      const chosen = point === undefined ? undefined : findPoint(served, point).point;
      const lines = verifySet(served.reader, {
        hash,
        depth,
        signal: AbortSignal.any([context.closing, goneSignal(reply)]),
        ...(chosen === undefined ? {} : { point: chosen }),
      });
      const { set } = served.reader;
      const points = served.reader.points().map((each) => each.point);
      const verification = {
        set,
        points: points.filter((each) => each === (chosen ?? each)),
        check: depth,
      };
      const { certifier } = context.options;
      const recorded =
        certifier === undefined
          ? lines
          : recordVerification(lines, { ...verification, certifier, clock, log });
      return await reply
        .type(NDJSON_TYPE)
        .send(lineStream(recorded, { closing: context.closing, log }));
    },
  );

  async function ask(served: ServedSet): Promise<null> {
    await served.askSync(randomUUID());
    return null;
  }

  async function askAndWait(
    served: ServedSet,
    waitMs: number,
    reply: FastifyReply,
  ): Promise<PointSummary> {
    const timeout = AbortSignal.timeout(waitMs);
    const signal = AbortSignal.any([timeout, context.closing, goneSignal(reply)]);
    const request = randomUUID();
    const committed = askedPoint(served, { request, signal });
    try {
      await served.askSync(request);
    } catch (error) {
      committed.drop();
      throw error;
    }
    const point = await committed.point;
    if (point !== null) return point;
    const { set } = served.reader;
    throw timeout.aborted
      ? new AfterimageError('timed-out', `${set} made no point within ${waitMs} ms`, {
          facts: { set, waitMs },
        })
      : new AfterimageError('cancelled', `waiting for a point of ${set} was cancelled`);
  }
}
