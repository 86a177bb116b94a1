/** Folders and entries of a point: a page of a folder, one entry, a walk of everything. */
import type { FastifyInstance } from 'fastify';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import {
  type ListAnswer,
  listQuerySchema,
  listSchema,
  pathQuerySchema,
  type StatAnswer,
  statSchema,
  toNodeJson,
  walkQuerySchema,
  type WalkLine,
  walkLineSchema,
} from '../../../shared/api/tree.js';
import { AfterimageError } from '../../../shared/errors.js';
import { parsePathText, toPathText } from '../../../shared/path-text.js';
import type { NodeVersion, PointView } from '../../history/set-reader.js';
import type { FolderPart } from '../../../shared/restore/point-source.js';
import { walkFolders } from '../../restore/tree-order.js';
import { presentPart } from '../present.js';
import { checked, openPoint, pathOf, type PointParams, resolvePath } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { closeWith, lineStream } from '../streams.js';

export function registerTree(app: FastifyInstance, context: RouteContext): void {
  const { sets, log } = context.options;

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/ls',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'A page of a folder at a point',
          tag: 'trees',
          query: listQuerySchema,
          answer: listSchema,
        },
      },
    },
    (request): ListAnswer => {
      const query = checked(listQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      try {
        return listPage(view, query);
      } finally {
        view.close();
      }
    },
  );

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/stat',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'One entry at a point',
          tag: 'trees',
          query: pathQuerySchema,
          answer: statSchema,
        },
      },
    },
    (request): StatAnswer => {
      const { path } = checked(pathQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      try {
        const entry = { path: toPathText(pathOf(path)), ...toNodeJson(resolvePath(view, path)) };
        return { set: view.set, point: view.point, entry };
      } finally {
        view.close();
      }
    },
  );

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/walk',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Everything at and below some paths at a point',
          tag: 'trees',
          query: walkQuerySchema,
          lines: walkLineSchema,
        },
      },
    },
    async (request, reply) => {
      const { path, digests } = checked(walkQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      const stream = closeWith({ view, log }, () => {
        const parts = walkFolders(view, path.map(pathOf));
        // The first part finds out whether the paths exist, while a status can still say so.
        const first = parts.next();
        const digestsOf = (node: number): Buffer | undefined =>
          digests === undefined ? undefined : view.smallDigests?.(node);
        return lineStream(walkLines(first, parts, digestsOf), { closing: context.closing, log });
      });
      return await reply.type(NDJSON_TYPE).header('x-afterimage-point', view.point).send(stream);
    },
  );
}

function listPage(
  view: PointView,
  query: { readonly path: string; readonly after?: string | undefined; readonly limit: number },
): ListAnswer {
  const folder = resolveFolder(view, query.path);
  const entries = view.list(folder.node, {
    limit: query.limit,
    ...(query.after === undefined ? {} : { after: parsePathText(query.after) }),
  });
  const last = entries.at(-1);
  const full = entries.length === query.limit && last !== undefined;
  return {
    set: view.set,
    point: view.point,
    path: toPathText(pathOf(query.path)),
    entries: entries.map(({ name, version }) => ({
      name: toPathText(name),
      ...toNodeJson(version),
    })),
    next: full ? toPathText(last.name) : null,
  };
}

function resolveFolder(view: PointView, path: string): NodeVersion {
  const version = resolvePath(view, path);
  if (version.kind === 'folder') return version;
  throw new AfterimageError('argument-invalid', `${JSON.stringify(path)} is no folder`, {
    facts: { path, kind: version.kind },
  });
}

function* walkLines(
  first: IteratorResult<FolderPart>,
  rest: Iterator<FolderPart>,
  digestsOf: (node: number) => Buffer | undefined,
): Generator<WalkLine> {
  let state: 'first' | 'more' = 'first';
  for (let part = first; part.done !== true; part = rest.next()) {
    yield* presentPart(part.value, state, digestsOf);
    state = part.value.last ? 'first' : 'more';
  }
}
