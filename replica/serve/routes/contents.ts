/** Contents of files at a point: a byte range of one, digests of one, blocks of many. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { CONTENT_TYPE, contentRequestSchema } from '../../../shared/api/content.js';
import { digestQuerySchema, pathQuerySchema } from '../../../shared/api/tree.js';
import { AfterimageError } from '../../../shared/errors.js';
import { blockCount } from '../../../shared/limits.js';
import { noteAudit } from '../../access/audit-note.js';
import type { NodeVersion, PointView } from '../../history/set-reader.js';
import { digestsOf, readFrames } from '../../restore/content-frames.js';
import type { ReadItem } from '../../../shared/restore/point-source.js';
import {
  type ByteRange,
  checked,
  openPoint,
  parseRange,
  type PointParams,
  resolvePath,
} from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { type ContentAnswer, contentPieces, sendPieces } from '../content-answer.js';
import { SlabPool } from '../frame-slabs.js';
import { closeWith } from '../streams.js';

const CONTENT_BODY_BYTES_MAX = 8 * 1024 * 1024;
const BINARY_TYPE = 'application/octet-stream';
const flowing = { objectMode: false };

export function registerContents(app: FastifyInstance, context: RouteContext): void {
  const { sets, log, hash } = context.options;
  const pool = new SlabPool();

  app.get<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/file',
    {
      config: {
        role: 'viewer',
        audit: 'file.read',
        describe: {
          summary: 'Bytes of one file, whole or a range',
          tag: 'contents',
          query: pathQuerySchema,
          content: BINARY_TYPE,
        },
      },
    },
    async (request, reply) => {
      const { path } = checked(pathQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      noteAudit(request, { point: view.point, detail: path });
      const { size, range, first, pieces } = await beginFile(view, {
        path,
        header: request.headers.range,
      });
      reply
        .header('accept-ranges', 'bytes')
        .header('content-disposition', 'attachment')
        .header('x-afterimage-point', view.point);
      if (range === 'unsatisfiable') {
        view.close();
        return await reply.code(416).header('content-range', `bytes */${size}`).send();
      }
      if (range !== undefined) {
        const last = range.offset + range.length - 1;
        reply.code(206).header('content-range', `bytes ${range.offset}-${last}/${size}`);
      }
      const stream = closeWith({ view, log }, () => Readable.from(resume(first, pieces), flowing));
      const length = range?.length ?? size;
      return await reply.type(BINARY_TYPE).header('content-length', length).send(stream);
    },
  );

  app.get<{ Params: PointParams & { readonly node: string } }>(
    '/v1/sets/:set/points/:point/digests/:node',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Digests of the blocks of a file',
          tag: 'contents',
          query: digestQuerySchema,
          content: BINARY_TYPE,
        },
      },
    },
    async (request, reply) => {
      const { first, count } = checked(digestQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      try {
        const version = view.version(Number(request.params.node));
        if (version?.kind !== 'file') {
          throw new AfterimageError('not-found', `node ${request.params.node} is no file`);
        }
        const length = Math.max(0, Math.min(count, blockCount(version.size) - first));
        const digests =
          length === 0 ? Buffer.alloc(0) : digestsOf(view, version.node, { first, count: length });
        return await reply.type(BINARY_TYPE).send(digests);
      } finally {
        view.close();
      }
    },
  );

  app.post<{ Params: PointParams }>(
    '/v1/sets/:set/points/:point/content',
    {
      bodyLimit: CONTENT_BODY_BYTES_MAX,
      config: {
        role: 'viewer',
        audit: 'content.read',
        describe: {
          summary: 'Blocks of many files in one stream',
          tag: 'contents',
          body: contentRequestSchema,
          content: CONTENT_TYPE,
        },
      },
    },
    async (request, reply) => {
      const { items, runs, unchecked } = checked(contentRequestSchema, request.body);
      const view = openPoint(sets(), request.params);
      noteAudit(request, { point: view.point });
      const manner = {
        shape: runs === true ? 'runs' : 'blocks',
        check: unchecked === true ? 'asker' : 'here',
      } as const;
      const answer: ContentAnswer = {
        pool,
        closing: context.closing,
        read: (room) =>
          readFrames(view, hash, items.map(toItem), {
            ...manner,
            ...(runs === true ? { room } : {}),
          }),
      };
      const pieces = contentPieces(answer);
      try {
        const first = await pieces.next();
        reply.hijack();
        await sendPieces(reply.raw, resume(first, pieces), answer);
      } catch (error) {
        if (!reply.sent) throw error;
        log.error('an answer broke off', error, { set: view.set, point: view.point });
      } finally {
        await pieces.return(undefined);
        view.close();
      }
      return await reply;
    },
  );
}

function checkFile(version: NodeVersion, path: string): void {
  if (version.kind === 'file') return;
  throw new AfterimageError('argument-invalid', `${JSON.stringify(path)} is a ${version.kind}`, {
    facts: { path, kind: version.kind },
  });
}

interface BegunFile {
  readonly size: number;
  readonly range: ByteRange | 'unsatisfiable' | undefined;
  readonly first: IteratorResult<Buffer>;
  readonly pieces: AsyncGenerator<Buffer>;
}

/** Reads the first piece before the answer begins, so that most failures still get a status. */
async function beginFile(
  view: PointView,
  request: { readonly path: string; readonly header: string | undefined },
): Promise<BegunFile> {
  try {
    const version = resolvePath(view, request.path);
    checkFile(version, request.path);
    const { node, size } = version;
    const range = parseRange(request.header, size);
    const whole = range === undefined || range === 'unsatisfiable';
    const pieces = view.read(node, whole ? { offset: 0, length: size } : range);
    const first = await (range === 'unsatisfiable' ? pieces.return(undefined) : pieces.next());
    return { size, range, first, pieces };
  } catch (error) {
    view.close();
    throw error;
  }
}

async function* resume<T>(first: IteratorResult<T>, pieces: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done === true) return;
  yield first.value;
  yield* pieces;
}

function toItem(item: {
  readonly node: number;
  readonly ranges?: readonly (readonly [number, number])[] | undefined;
}): ReadItem {
  if (item.ranges === undefined) return { node: item.node };
  return { node: item.node, ranges: item.ranges.map(([first, count]) => ({ first, count })) };
}
