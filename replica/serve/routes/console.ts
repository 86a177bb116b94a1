/**
 * The console: a page, a script and a style sheet out of dist/console, served to anybody who may
 * reach the port, because it holds nothing of a set; what it shows comes from /v1/ with the caller's
 * rights. Nothing is loaded from elsewhere and nothing runs that is not in these files (the content
 * security policy says so), so that it works on a network without a way out.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { AfterimageError } from '../../../shared/errors.js';

/** From the sources, and from dist/. */
const built = import.meta.url.includes('/dist/') ? '../../../console/' : '../../../dist/console/';
const FOLDER_DEFAULT = fileURLToPath(new URL(built, import.meta.url));

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  // Names do not change with a version: each visit asks, and is answered 304 by ETag.
  'cache-control': 'no-cache',
};

/** Serves the files of `folder` at /console/ and leads / there. Without them, /console/ says what is missing. */
export function registerConsole(app: FastifyInstance, folder = FOLDER_DEFAULT): void {
  app.get('/', (_request, reply) => reply.redirect('/console/'));
  app.get('/console', (_request, reply) => reply.redirect('/console/'));
  if (!fs.existsSync(path.join(folder, 'index.html'))) {
    app.get('/console/*', () => {
      throw new AfterimageError('not-found', 'the console was not built', { facts: { folder } });
    });
    return;
  }
  app.register(fastifyStatic, {
    root: folder,
    prefix: '/console/',
    cacheControl: false,
    setHeaders: (reply) => {
      for (const [name, value] of Object.entries(headers)) reply.setHeader(name, value);
    },
  });
}
