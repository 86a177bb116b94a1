/** PROPFIND: a resource, and with depth 1 what is in it, sent as it is listed. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../../shared/log.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import type { ServedSet } from '../served-set.js';
import { type DavEntry, nodeEntry, responseXml } from './dav-properties.js';
import { type DavResource, listPoints } from './dav-resource.js';
import { DAV_NAMESPACE, parsePropfind, type PropfindAsked } from './dav-xml.js';

const XML_TYPE = 'application/xml; charset=utf-8';
const XML_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n';
const CHUNK_CHARS = 64 * 1024;
const LOOK_ENTRIES = 500;

export interface PropfindMeans {
  readonly resource: DavResource;
  readonly components: readonly Buffer[];
  /** Sets that the caller may see. */
  readonly sets: readonly ServedSet[];
  readonly log: Log;
  readonly closing: AbortSignal;
}

/** Closes the resource's view, at once or with the answer. */
export async function sendProperties(
  request: FastifyRequest,
  reply: FastifyReply,
  means: PropfindMeans,
): Promise<FastifyReply> {
  const { resource } = means;
  const view = resource.type === 'node' ? resource.view : undefined;
  try {
    const { depth } = request.headers;
    if (depth !== '0' && depth !== '1') {
      view?.close();
      return await refuseDepth(reply);
    }
    const asked = parsePropfind(request.body instanceof Buffer ? request.body.toString() : '');
    const stream = Readable.from(multistatus(means, { asked, depth }), { objectMode: false });
    stream.once('error', (error) => {
      means.log.error('an answer broke off', error);
    });
    stream.once('close', () => view?.close());
    return await reply.code(207).type(XML_TYPE).send(stream);
  } catch (error) {
    view?.close();
    throw error;
  }
}

/** RFC 4918 9.1: a whole tree may be refused by this very element. */
async function refuseDepth(reply: FastifyReply): Promise<FastifyReply> {
  const body = `${XML_HEAD}<D:error xmlns:D="${DAV_NAMESPACE}"><D:propfind-finite-depth/></D:error>\n`;
  return await reply.code(403).type(XML_TYPE).send(body);
}

async function* multistatus(
  means: PropfindMeans,
  { asked, depth }: { readonly asked: PropfindAsked; readonly depth: '0' | '1' },
): AsyncGenerator<string> {
  const slice = new TimeSlice();
  let text = `${XML_HEAD}<D:multistatus xmlns:D="${DAV_NAMESPACE}">\n`;
  const own = ownEntry(means);
  if (own !== undefined) text += responseXml(own, asked);
  for await (const entry of depth === '0' ? [] : entriesIn(means)) {
    if (means.closing.aborted) throw new Error('the server closes');
    text += responseXml(entry, asked);
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = '';
    await slice.breathe();
  }
  yield `${text}</D:multistatus>\n`;
}

function ownEntry({ resource, components }: PropfindMeans): DavEntry | undefined {
  if (resource.type === 'node') {
    const { view, version, timeMs } = resource;
    const entry = nodeEntry(view.set, components, version);
    // The set itself has no time of its own.
    return entry !== undefined && components.length === 2 ? { ...entry, timeMs } : entry;
  }
  const newest = resource.type === 'set' ? resource.served.reader.newest() : undefined;
  return folderEntry(components, newest?.timeMs ?? 0);
}

function folderEntry(components: readonly Buffer[], timeMs: number): DavEntry {
  return { components, kind: 'folder', timeMs, size: 0, etag: undefined };
}

async function* entriesIn({ resource, components, sets }: PropfindMeans): AsyncGenerator<DavEntry> {
  switch (resource.type) {
    case 'sets':
      for (const { reader } of sets) {
        const name = Buffer.from(reader.set);
        yield folderEntry([...components, name], reader.newest()?.timeMs ?? 0);
      }
      return;
    case 'set':
      for await (const { name, timeMs } of listPoints(resource.served)) {
        yield folderEntry([...components, Buffer.from(name)], timeMs);
      }
      return;
    case 'node':
      if (resource.version.kind === 'folder') yield* nodeEntries(resource, components);
  }
}

/** Links and special files are left out: WebDAV has no words for them. */
function* nodeEntries(
  { view, version }: DavResource & { readonly type: 'node' },
  components: readonly Buffer[],
): Generator<DavEntry> {
  let after: Buffer | undefined;
  for (;;) {
    const page = view.list(version.node, {
      limit: LOOK_ENTRIES,
      ...(after === undefined ? {} : { after }),
    });
    for (const { name, version: found } of page) {
      const entry = nodeEntry(view.set, [...components, name], found);
      if (entry !== undefined) yield entry;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < LOOK_ENTRIES) return;
    after = last.name;
  }
}
