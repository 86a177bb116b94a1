/**
 * WebDAV (RFC 4918 class 1), read-only, at /dav/SET/POINT/…: what file managers of every system can
 * open. The token is the password of Basic authentication, with any user; it may see what it may see
 * everywhere else.
 */
import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import { AfterimageError } from '../../../shared/errors.js';
import { toPathText } from '../../../shared/path-text.js';
import { accessOf, requireSet } from '../../access/access.js';
import { noteAudit } from '../../access/audit-note.js';
import type { RouteContext } from '../route-context.js';
import { sendFile } from './dav-get.js';
import { componentsOf, DAV_ROOT } from './dav-path.js';
import { sendProperties } from './dav-propfind.js';
import { type DavResource, findResource } from './dav-resource.js';

const ALLOW = 'OPTIONS, GET, HEAD, PROPFIND';
/** Of a PROPFIND. */
const BODY_BYTES_MAX = 64 * 1024;
const refused: readonly HTTPMethods[] = [
  'PUT',
  'POST',
  'PATCH',
  'DELETE',
  'MKCOL',
  'COPY',
  'MOVE',
  'PROPPATCH',
  'LOCK',
  'UNLOCK',
  'SEARCH',
  'REPORT',
];
const unusual = [
  'PROPFIND',
  'MKCOL',
  'COPY',
  'MOVE',
  'PROPPATCH',
  'LOCK',
  'UNLOCK',
  'SEARCH',
  'REPORT',
];

export function registerWebdav(app: FastifyInstance, context: RouteContext): void {
  for (const method of unusual) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true });
  }
  app.register((dav, _options, done) => {
    dav.removeAllContentTypeParsers();
    dav.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
      (_request, body, parsed) => {
        parsed(null, body);
      },
    );
    registerMethods(dav, context);
    done();
  });
}

function registerMethods(dav: FastifyInstance, context: RouteContext): void {
  const { sets, log } = context.options;
  const find = async (
    request: FastifyRequest,
  ): Promise<{ readonly components: Buffer[]; readonly resource: DavResource }> => {
    const components = componentsOf(request.originalUrl);
    const resource = await findResource(sets(), components, (set) => {
      requireSet(request, set);
    });
    return { components, resource };
  };

  dav.route({
    method: ['GET', 'HEAD'],
    url: DAV_ROOT,
    config: { role: 'viewer', audit: 'dav.read' },
    handler: async (request, reply) => {
      const { resource, components } = await find(request);
      if (resource.type !== 'node' || resource.version.kind !== 'file') {
        if (resource.type === 'node') resource.view.close();
        throw refusal(request);
      }
      const detail = components.slice(2).map(toPathText).join('/');
      noteAudit(request, { set: resource.view.set, point: resource.view.point, detail });
      return await sendFile(request, reply, { resource, log });
    },
  });

  dav.route({
    method: 'PROPFIND',
    url: DAV_ROOT,
    config: { role: 'viewer', audit: false },
    handler: async (request, reply) => {
      const seen = sets().filter(({ reader }) => accessOf(request).canSee(reader.set));
      const { closing } = context;
      return await sendProperties(request, reply, {
        ...(await find(request)),
        sets: seen,
        log,
        closing,
      });
    },
  });

  dav.route({
    method: 'OPTIONS',
    url: DAV_ROOT,
    config: { role: 'viewer', audit: false },
    handler: async (_request, reply) =>
      await reply.headers({ allow: ALLOW, dav: '1', 'ms-author-via': 'DAV' }).send(),
  });

  dav.route({
    method: [...refused],
    url: DAV_ROOT,
    config: { role: 'viewer' },
    preParsing: (request, _reply, _payload, done) => {
      done(refusal(request));
    },
    handler: () => undefined,
  });
}

function refusal({ method }: FastifyRequest): AfterimageError {
  return new AfterimageError('method-refused', `WebDAV here takes ${ALLOW}, not ${method}`, {
    facts: { allow: ALLOW },
  });
}
