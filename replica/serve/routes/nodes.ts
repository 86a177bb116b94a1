/** A point by node numbers, for mounts: one node, one name, pages of folders, and keeping it readable. */
import type { FastifyInstance } from 'fastify';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type EntriesAnswer,
  entriesQuerySchema,
  entriesSchema,
  entryQuerySchema,
  type FolderPage,
  type KeptLine,
  keptLineSchema,
  type LinkedNode,
  type NodeAnswer,
  nodeAnswerSchema,
  type PointTimes,
  pointTimesQuerySchema,
  pointTimesSchema,
} from '../../../shared/api/nodes.js';
import { NDJSON_TYPE } from '../../../shared/api/stream.js';
import { toNodeJson } from '../../../shared/api/tree.js';
import { AfterimageError } from '../../../shared/errors.js';
import { NAME_BYTES_MAX } from '../../../shared/limits.js';
import { isEntryName } from '../../../shared/protocol/records.js';
import { parsePathText, toPathText } from '../../../shared/path-text.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import type { NodeVersion, PointView, TreeEntry } from '../../history/set-reader.js';
import { goneSignal } from '../gone-signal.js';
import { pointTimes } from '../point-times.js';
import { checked, findSet, openPoint, type PointParams, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { closeWith, lineStream } from '../streams.js';

type NodeParams = PointParams & { readonly node: string };

const KEPT_EVERY_MS = 10_000;
/** Entries that one look into the index brings. */
const LOOK_ENTRIES = 500;

export function registerNodes(app: FastifyInstance, context: RouteContext): void {
  const { sets, log } = context.options;

  app.get<{ Params: NodeParams }>(
    '/v1/sets/:set/points/:point/nodes/:node',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'One node of a point, by its number',
          tag: 'nodes',
          answer: nodeAnswerSchema,
        },
      },
    },
    (request): NodeAnswer =>
      withView(openPoint(sets(), request.params), (view) =>
        presentNode(view, versionOf(view, request.params.node)),
      ),
  );

  app.get<{ Params: NodeParams }>(
    '/v1/sets/:set/points/:point/nodes/:node/entry',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'What stands by a name in a folder, by the number of the folder',
          tag: 'nodes',
          query: entryQuerySchema,
          answer: nodeAnswerSchema,
        },
      },
    },
    (request): NodeAnswer => {
      const { name } = checked(entryQuerySchema, request.query);
      return withView(openPoint(sets(), request.params), (view) => {
        const folder = folderOf(view, request.params.node);
        const found = entryNamed(view, folder.node, parsePathText(name));
        if (found !== undefined) return presentNode(view, found.version);
        throw new AfterimageError('not-found', `there is no ${JSON.stringify(name)}`, {
          facts: { set: view.set, point: view.point, node: folder.node },
        });
      });
    },
  );

  app.get<{ Params: NodeParams }>(
    '/v1/sets/:set/points/:point/nodes/:node/entries',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'A page of a folder, by its number, with small folders below it',
          tag: 'nodes',
          query: entriesQuerySchema,
          answer: entriesSchema,
        },
      },
    },
    async (request): Promise<EntriesAnswer> => {
      const query = checked(entriesQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      try {
        const folder = folderOf(view, request.params.node);
        const { set, point } = view;
        return { set, point, folders: await new PageReader(view).read(folder.node, query) };
      } finally {
        view.close();
      }
    },
  );

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/point-times',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Numbers and times of all points, or of those after one',
          tag: 'nodes',
          query: pointTimesQuerySchema,
          answer: pointTimesSchema,
        },
      },
    },
    async (request): Promise<PointTimes> => {
      const { since } = checked(pointTimesQuerySchema, request.query);
      const served = findSet(sets(), request.params.set);
      const answer = { set: served.reader.set, count: 0, points: [], timesMs: [] } as PointTimes;
      for (const { point, timeMs } of await pointTimes(served)) {
        answer.count += 1;
        if (point <= since) continue;
        answer.points.push(point);
        answer.timesMs.push(timeMs);
      }
      return answer;
    },
  );

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/kept',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Keeps a point from retention for as long as the answer lasts',
          tag: 'nodes',
          lines: keptLineSchema,
        },
      },
    },
    async (request, reply) => {
      const view = openPoint(sets(), request.params);
      const ended = AbortSignal.any([goneSignal(reply), context.closing]);
      const stream = closeWith({ view, log }, () =>
        lineStream(keptLines(view.point, ended), { closing: context.closing, log }),
      );
      return await reply.type(NDJSON_TYPE).header('x-afterimage-point', view.point).send(stream);
    },
  );
}

async function* keptLines(point: number, ended: AbortSignal): AsyncGenerator<KeptLine> {
  while (!ended.aborted) {
    yield { type: 'kept', point };
    await delay(KEPT_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
  }
}

function withView<T>(view: PointView, read: (view: PointView) => T): T {
  try {
    return read(view);
  } finally {
    view.close();
  }
}

function versionOf(view: PointView, node: string): NodeVersion {
  const version = /^\d{1,15}$/.test(node) ? view.version(Number(node)) : undefined;
  if (version !== undefined) return version;
  throw new AfterimageError('not-found', `node ${node} is not in point ${view.point}`, {
    facts: { set: view.set, point: view.point },
  });
}

function folderOf(view: PointView, node: string): NodeVersion {
  const version = versionOf(view, node);
  if (version.kind === 'folder') return version;
  throw new AfterimageError('argument-invalid', `node ${node} is no folder`, {
    facts: { node: version.node, kind: version.kind },
  });
}

function entryNamed(view: PointView, folder: number, name: Buffer): TreeEntry | undefined {
  if (!isEntryName(name)) return undefined;
  const [first] = view.list(folder, { after: before(name), limit: 1 });
  return first?.name.equals(name) === true ? first : undefined;
}

/** The last of all names before this one; names have neither zero bytes nor more than the most bytes. */
function before(name: Buffer): Buffer {
  const after = Buffer.alloc(NAME_BYTES_MAX + 1, 0xff);
  name.copy(after);
  const last = name.length - 1;
  after.writeUInt8(name.readUInt8(last) - 1, last);
  after.fill(0xff, name.length);
  return after;
}

function presentNode(view: PointView, version: NodeVersion): NodeAnswer {
  return { set: view.set, point: view.point, node: linked(view, version) };
}

function linked(view: PointView, version: NodeVersion): LinkedNode {
  const json: LinkedNode = toNodeJson(version);
  const links = version.kind === 'folder' ? 1 : (view.links?.(version.node) ?? 1);
  if (links > 1) json.links = links;
  return json;
}

/** Reads a page, and whole folders below it while they fit. */
class PageReader {
  readonly #view: PointView;
  readonly #slice = new TimeSlice();

  constructor(view: PointView) {
    this.#view = view;
  }

  async read(
    folder: number,
    query: {
      readonly after?: string | undefined;
      readonly limit: number;
      readonly below: number;
      readonly next: readonly number[];
    },
  ): Promise<FolderPage[]> {
    const after = query.after === undefined ? undefined : parsePathText(query.after);
    const first = await this.#page(folder, { after, limit: query.limit });
    const pages = [first];
    if (first.next !== null || query.after !== undefined) return pages;
    let room = query.below;
    for (const waiting = [...subfolders(first), ...query.next]; ;) {
      const next = waiting.shift();
      if (next === undefined || room <= 0) return pages;
      const page = await this.#page(next, { after: undefined, limit: room });
      if (page.next !== null) return pages;
      room -= Math.max(1, page.entries.length);
      pages.push(page);
      waiting.unshift(...subfolders(page));
    }
  }

  async #page(
    folder: number,
    page: { readonly after: Buffer | undefined; readonly limit: number },
  ): Promise<FolderPage> {
    const entries: FolderPage['entries'] = [];
    let after = page.after;
    for (;;) {
      const limit = Math.min(LOOK_ENTRIES, page.limit - entries.length);
      const found = this.#view.list(folder, { limit, ...(after === undefined ? {} : { after }) });
      for (const { name, version } of found) {
        entries.push({ name: toPathText(name), ...linked(this.#view, version) });
      }
      const last = found.at(-1);
      if (last === undefined || found.length < limit) return { folder, entries, next: null };
      after = last.name;
      if (entries.length >= page.limit) return { folder, entries, next: toPathText(after) };
      await this.#slice.breathe();
    }
  }
}

function subfolders({ entries }: FolderPage): number[] {
  return entries.filter(({ kind }) => kind === 'folder').map(({ node }) => node);
}
