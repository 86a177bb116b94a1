/**
 * Headers that keep a browser from doing with our answers what they are not meant for: pages run and
 * load nothing but their own files and stand in no frame; answers of the API are no pages at all.
 */
import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox";

/** `scheme` https tells browsers to come back by it alone. */
export function registerHeaders(
  app: FastifyInstance,
  { scheme }: { readonly scheme: 'http' | 'https' },
): void {
  app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", 'data:', 'blob:'],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: scheme === 'https',
  });
  app.after(() => {
    app.addHook('onRequest', (request, reply, done) => {
      if (!request.url.startsWith('/v1/') && !request.url.startsWith('/dav')) {
        done();
        return;
      }
      reply.raw.setHeader('content-security-policy', API_POLICY);
      reply.raw.setHeader('cache-control', 'no-store');
      done();
    });
  });
}
