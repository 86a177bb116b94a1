/** Restores by the replica itself, below its configured roots only (R22). */
import { closeSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { restoreLineSchema, restoreRequestSchema } from '../../../shared/api/actions.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { parsePathText } from '../../../shared/path-text.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { RestoreTarget } from '../../../shared/restore/request.js';
import { ViewSource } from '../../restore/view-source.js';
import { goneSignal } from '../gone-signal.js';
import { checked, openPoint, pathOf, type PointParams } from '../requests.js';
import { openRestoreFolder, placeBelow } from '../../../shared/restore/target-folder.js';
import { restoreLines } from '../restore-lines.js';
import type { RouteContext } from '../route-context.js';
import { closeWith, lineStream } from '../streams.js';

export function registerRestore(app: FastifyInstance, context: RouteContext): void {
  const { sets, hash, log, restoreRoots = [] } = context.options;

  app.post<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/restore',
    {
      config: {
        role: 'operator',
        audit: 'restore',
        describe: {
          summary: 'Restores a point into a folder of the replica, below its restore roots',
          tag: 'actions',
          body: restoreRequestSchema,
          lines: restoreLineSchema,
        },
      },
    },
    async (request, reply) => {
      const { to, paths, mode, extra, effect } = checked(restoreRequestSchema, request.body);
      placeBelow(restoreRoots, to);
      const view = openPoint(sets(), request.params);
      const stream = closeWith({ view, log }, () => {
        const target: RestoreTarget =
          effect === 'plan'
            ? { type: 'folder', folder: parsePathText(to) }
            : { type: 'opened', fd: openRestoreFolder(restoreRoots, to) };
        const lines = restoreLines(
          new ViewSource(view, hash),
          { target, paths: paths.map(pathOf), mode, orphans: { type: extra }, effect },
          {
            posix: loadPosix(),
            hash,
            signal: AbortSignal.any([context.closing, goneSignal(reply)]),
          },
        );
        const answer = lineStream(lines, { closing: context.closing, log });
        return answer.once('close', () => {
          if (target.type === 'opened') closeSync(target.fd);
        });
      });
      return await reply.type(NDJSON_TYPE).header('x-afterimage-point', view.point).send(stream);
    },
  );
}
