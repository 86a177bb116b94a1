/** GET and HEAD of a file: whole or one range, with what clients ask about its version. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../../shared/log.js';
import type { PointView } from '../../history/set-reader.js';
import { type ByteRange, parseRange } from '../requests.js';
import { closeWith } from '../streams.js';
import type { DavResource } from './dav-resource.js';
import { etagOf, httpDate, timeMsOf } from './dav-properties.js';

type NodeResource = DavResource & { readonly type: 'node' };

const flowing = { objectMode: false };

/** Closes the view, at once or with the answer. */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  { resource, log }: { readonly resource: NodeResource; readonly log: Log },
): Promise<FastifyReply> {
  const { view, version } = resource;
  const etag = etagOf(view.set, version);
  const modified = httpDate(timeMsOf(version));
  reply.headers({ etag, 'last-modified': modified, 'accept-ranges': 'bytes' });
  reply.type('application/octet-stream');
  const early = earlyStatus(request, { etag, modified });
  if (early !== undefined) {
    view.close();
    return await reply.code(early).send();
  }
  const { size } = version;
  const range = rangeOf(request, { size, etag, modified });
  if (range === 'unsatisfiable') {
    view.close();
    return await reply.code(416).header('content-range', `bytes */${size}`).send();
  }
  if (range !== undefined) {
    const last = range.offset + range.length - 1;
    reply.code(206).header('content-range', `bytes ${range.offset}-${last}/${size}`);
  }
  const asked = range ?? { offset: 0, length: size };
  reply.header('content-length', asked.length);
  if (request.method === 'HEAD') {
    view.close();
    return await reply.send();
  }
  const first = await firstPiece(view, { node: version.node, range: asked });
  return await reply.send(closeWith({ view, log }, () => Readable.from(first, flowing)));
}

interface Version {
  readonly etag: string;
  readonly modified: string;
}

/** 304 or 412 where the client has, or lacks, what it says; undefined where the file is to be sent. */
function earlyStatus({ headers }: FastifyRequest, { etag, modified }: Version): number | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && !names(match, etag)) return 412;
  if (noneMatch !== undefined) return names(noneMatch, etag) ? 304 : undefined;
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return !Number.isNaN(since) && Date.parse(modified) <= since ? 304 : undefined;
}

function names(list: string, etag: string): boolean {
  return list.split(',').some((one) => ['*', etag, `W/${etag}`].includes(one.trim()));
}

/** Undefined where no range is asked for, or only one of another version. */
function rangeOf(
  { headers }: FastifyRequest,
  { size, etag, modified }: Version & { readonly size: number },
): ByteRange | 'unsatisfiable' | undefined {
  const only = headers['if-range'];
  if (only !== undefined && only !== etag && only !== modified) return undefined;
  return parseRange(headers.range, size);
}

/** Reads the first piece before the answer begins, so that most failures still get a status. */
async function firstPiece(
  view: PointView,
  { node, range }: { readonly node: number; readonly range: ByteRange },
): Promise<AsyncGenerator<Buffer>> {
  const pieces = view.read(node, range);
  try {
    const first = await pieces.next();
    return resume(first, pieces);
  } catch (error) {
    view.close();
    throw error;
  }
}

async function* resume(
  first: IteratorResult<Buffer>,
  pieces: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.done === true) return;
  yield first.value;
  yield* pieces;
}
