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
import {
  openRestoreFolder,
  openRestoreFolderIfThere,
  placeBelow,
} from '../../../shared/restore/target-folder.js';
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
        const target = targetOf(effect, { roots: restoreRoots, to });
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

/** A folder that only is planned for is not made; if it is there, no link leads out of its root. */
function targetOf(
  effect: 'plan' | 'write',
  { roots, to }: { readonly roots: readonly string[]; readonly to: string },
): RestoreTarget {
  if (effect === 'write') return { type: 'opened', fd: openRestoreFolder(roots, to) };
  const fd = openRestoreFolderIfThere(roots, to);
  return fd === undefined ? { type: 'folder', folder: parsePathText(to) } : { type: 'opened', fd };
}
