/** Files and folders of a point as a browser saves them: a file with ranges, or an archive. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type DownloadFormat,
  type DownloadQuery,
  downloadQuerySchema,
} from '../../../shared/api/download.js';
import { AfterimageError } from '../../../shared/errors.js';
import { toPathText } from '../../../shared/path-text.js';
import { splitPath } from '../../../shared/restore/set-path.js';
import { noteAudit } from '../../access/audit-note.js';
import type { NodeVersion, PointView } from '../../history/set-reader.js';
import { contentDisposition } from '../download/file-names.js';
import { LOOK_BYTES, type Preview, previewOf } from '../download/preview-type.js';
import { tarArchive } from '../download/tar-archive.js';
import { zipArchive } from '../download/zip-archive.js';
import {
  type ByteRange,
  checked,
  openPoint,
  parseRange,
  pathOf,
  type PointParams,
  resolvePath,
} from '../requests.js';
import type { RouteContext } from '../route-context.js';
import { closeWith } from '../streams.js';

/** A client that takes nothing for so long is gone: its point must not be kept for it. */
const IDLE_MS_MAX = 10 * 60_000;
const PREVIEW_POLICY =
  "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'";
const archiveTypes = { tar: 'application/x-tar', zip: 'application/zip' } as const;
const flowing = { objectMode: false };

export function registerDownload(app: FastifyInstance, context: RouteContext): void {
  const { sets } = context.options;
  app.route<{ Params: PointParams }>({
    method: ['GET', 'HEAD'],
    url: '/v1/sets/:set/points/:point/download',
    config: {
      role: 'viewer',
      audit: 'download.read',
      describe: {
        summary: 'A file, with ranges, or files and folders as a tar or zip file',
        tag: 'contents',
        query: downloadQuerySchema,
        content: 'application/octet-stream',
      },
    },
    handler: async (request, reply) => {
      const query = checked(downloadQuerySchema, request.query);
      const view = openPoint(sets(), request.params);
      const download = new Download({ context, request, reply, view });
      try {
        noteAudit(request, { detail: query.path.join(' ') });
        await download.answer(query);
      } catch (error) {
        download.giveUp();
        throw error;
      }
      return await reply;
    },
  });
}

class Download {
  readonly #context: RouteContext;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #view: PointView;
  /** The view is closed, or will be with the stream. */
  #settled = false;

  constructor(of: {
    readonly context: RouteContext;
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly view: PointView;
  }) {
    this.#context = of.context;
    this.#request = of.request;
    this.#reply = of.reply;
    this.#view = of.view;
  }

  /** Closes the view of an answer that failed before it began. */
  giveUp(): void {
    if (!this.#settled) this.#view.close();
  }

  async answer({ path, format, inline }: DownloadQuery): Promise<void> {
    this.#reply.header('x-afterimage-point', this.#view.point);
    this.#reply.raw.setTimeout(IDLE_MS_MAX, () => this.#reply.raw.destroy());
    const paths = path.map(pathOf);
    const [only] = path;
    const single =
      path.length === 1 && only !== undefined ? resolvePath(this.#view, only) : undefined;
    const chosen = format ?? (single?.kind === 'file' ? 'raw' : 'tar');
    if (chosen !== 'raw') await this.#archive(chosen, paths);
    else if (single?.kind === 'file') await this.#file(single, { path: paths[0], inline });
    else throw notAFile(only, single);
  }

  async #file(
    version: NodeVersion,
    { path, inline }: { readonly path: Buffer | undefined; readonly inline: 'preview' | undefined },
  ): Promise<void> {
    const reply = this.#reply;
    const { headers, method } = this.#request;
    const name = splitPath(path ?? Buffer.alloc(0)).at(-1) ?? Buffer.alloc(0);
    const etag = etagOf(version);
    reply.header('accept-ranges', 'bytes').header('etag', etag);
    reply.header('last-modified', new Date(Number(version.mtimeNs / 1_000_000n)).toUTCString());
    if (inline === undefined) {
      reply.type('application/octet-stream');
      reply.header('content-disposition', contentDisposition('attachment', name));
    } else {
      const { contentType } = await this.#preview(version);
      reply.header('content-type', contentType).header('content-security-policy', PREVIEW_POLICY);
      reply.header('content-disposition', contentDisposition('inline', name));
    }
    if (matchesEtag(headers['if-none-match'], etag)) return this.#bare(304);
    const isSame = headers['if-range'] === undefined || headers['if-range'] === etag;
    const range = isSame ? parseRange(headers.range, version.size) : undefined;
    if (range === 'unsatisfiable') {
      reply.header('content-range', `bytes */${version.size}`);
      return this.#bare(416);
    }
    const part = range ?? { offset: 0, length: version.size };
    if (range !== undefined) {
      const last = part.offset + part.length - 1;
      reply.code(206).header('content-range', `bytes ${part.offset}-${last}/${version.size}`);
    }
    reply.header('content-length', part.length);
    if (method === 'HEAD') return this.#bare(reply.statusCode);
    await this.#send(await begin(this.#view.read(version.node, part)));
  }

  async #preview(version: NodeVersion): Promise<Preview> {
    const pieces: Buffer[] = [];
    const look: ByteRange = { offset: 0, length: Math.min(LOOK_BYTES, version.size) };
    for await (const piece of this.#view.read(version.node, look)) pieces.push(piece);
    const preview = previewOf(Buffer.concat(pieces), { isWhole: version.size <= LOOK_BYTES });
    if (preview !== undefined) return preview;
    throw new AfterimageError(
      'preview-refused',
      'the file is neither text nor an image that is shown',
    );
  }

  async #archive(format: Exclude<DownloadFormat, 'raw'>, paths: readonly Buffer[]): Promise<void> {
    const view = this.#view;
    const name = Buffer.concat([archiveName(view, paths), Buffer.from(`.${format}`)]);
    this.#reply.header('content-type', archiveTypes[format]);
    this.#reply.header('content-disposition', contentDisposition('attachment', name));
    const request = { view, paths };
    const begun = await begin(format === 'tar' ? tarArchive(request) : zipArchive(request));
    if (this.#request.method === 'HEAD') {
      await begun.rest.return(undefined);
      return this.#bare(200);
    }
    await this.#send(begun);
  }

  async #bare(status: number): Promise<void> {
    this.#settled = true;
    this.#view.close();
    await this.#reply.code(status).send();
  }

  async #send(begun: Begun): Promise<void> {
    const { log } = this.#context.options;
    this.#settled = true;
    const stream = closeWith({ view: this.#view, log }, () => Readable.from(all(begun), flowing));
    // Also when nobody took the first piece: what reads behind it holds files open.
    stream.once('close', () => void begun.rest.return(undefined));
    await this.#reply.send(stream);
  }
}

/** The first piece is read before the answer begins, so that most failures still get a status. */
async function begin(pieces: AsyncGenerator<Buffer>): Promise<Begun> {
  return { first: await pieces.next(), rest: pieces };
}

interface Begun {
  readonly first: IteratorResult<Buffer>;
  readonly rest: AsyncGenerator<Buffer>;
}

async function* all({ first, rest }: Begun): AsyncGenerator<Buffer> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

/** `shop-12-etc`; the set's and point's name alone for everything, or for several paths. */
function archiveName({ set, point }: PointView, paths: readonly Buffer[]): Buffer {
  const [only] = paths;
  const last = paths.length === 1 && only !== undefined ? splitPath(only).at(-1) : undefined;
  const base = Buffer.from(`${set}-${point}`);
  return last === undefined ? base : Buffer.concat([base, Buffer.from('-'), last]);
}

/** Of a node as it was: the same in every point that has it so. */
function etagOf({ node, born, size, mtimeNs }: NodeVersion): string {
  return `"${node}-${born}-${size.toString(36)}-${mtimeNs.toString(36)}"`;
}

function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}

function notAFile(path: string | undefined, version: NodeVersion | undefined): AfterimageError {
  const what = path === undefined || version === undefined ? 'one path' : JSON.stringify(path);
  const is = version === undefined ? 'is asked for raw' : `is a ${version.kind}`;
  return new AfterimageError('argument-invalid', `${what} ${is}: only a file is sent as it is`, {
    facts: { path: toPathText(Buffer.from(path ?? '')) },
  });
}
