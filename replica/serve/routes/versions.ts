/** What became of a file or folder over the points of a set. */
import type { FastifyInstance } from 'fastify';
import {
  type VersionsAnswer,
  versionsQuerySchema,
  versionsSchema,
  type VersionStretch,
} from '../../../shared/api/versions.js';
import { toNodeJson } from '../../../shared/api/tree.js';
import { AfterimageError } from '../../../shared/errors.js';
import { toPathText } from '../../../shared/path-text.js';
import type { AbsentStretch, PresentStretch } from '../../history/versions.js';
import { goneSignal } from '../gone-signal.js';
import { checked, findPoint, findSet, pathOf, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';

export function registerVersions(app: FastifyInstance, context: RouteContext): void {
  const { sets } = context.options;

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/versions',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Every version of a path over the points, and when there was none',
          tag: 'contents',
          query: versionsQuerySchema,
          answer: versionsSchema,
        },
      },
    },
    async (request, reply): Promise<VersionsAnswer> => {
      const query = checked(versionsQuerySchema, request.query);
      const served = findSet(sets(), request.params.set);
      const { reader } = served;
      if (reader.versions === undefined) {
        throw new AfterimageError('not-found', `set ${reader.set} tells no versions`);
      }
      const path = pathOf(query.path);
      const history = await reader.versions({
        path,
        from: query.from === undefined ? 0 : findPoint(served, query.from).point,
        to:
          query.to === undefined
            ? (reader.newest()?.point ?? 0)
            : findPoint(served, query.to).point,
        follow: query.follow,
        limit: query.limit,
        signal: AbortSignal.any([context.closing, goneSignal(reply)]),
      });
      return {
        set: reader.set,
        path: toPathText(path),
        stretches: history.stretches.map(presentStretch),
        versions: history.versions,
        leftOut: history.leftOut,
        live: history.live,
        lastSeen: history.lastSeen ?? null,
        disappeared: history.disappeared ?? null,
      };
    },
  );
}

function presentStretch(stretch: PresentStretch | AbsentStretch): VersionStretch {
  const { firstPoint, lastPoint, firstMs, lastMs, live } = stretch;
  const place = {
    path: toPathText(stretch.path),
    ...{ firstPoint, lastPoint, firstMs, lastMs, live },
  };
  if (stretch.state === 'absent') {
    const { state, why, movedTo } = stretch;
    const moved = movedTo === undefined ? {} : { movedTo: toPathText(movedTo) };
    return { state, ...place, why, ...moved };
  }
  const { state, change, contentChanged, movedFrom, version } = stretch;
  const moved = movedFrom === undefined ? {} : { movedFrom: toPathText(movedFrom) };
  return { state, ...place, entry: toNodeJson(version), change, contentChanged, ...moved };
}
