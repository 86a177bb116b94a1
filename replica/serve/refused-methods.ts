/** Answers 405 with what a route does take, where its path is asked by another method. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { AfterimageError } from '../../shared/errors.js';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Call it before the routes are registered; the function it returns, after. */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const taken = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    if (!url.startsWith('/v1/')) return;
    const known = taken.get(url) ?? new Set<string>();
    for (const each of [method].flat()) known.add(each);
    taken.set(url, known);
  });
  return () => {
    for (const [url, known] of [...taken]) {
      const allow = [...known].sort().join(', ');
      const method: HTTPMethods[] = methods.filter((each) => !known.has(each));
      app.route({
        url,
        method,
        config: { role: 'viewer', refusesMethod: true },
        // Before a body is read or refused.
        preParsing: (request, _reply, _payload, done) => {
          done(
            new AfterimageError('method-refused', `${url} takes ${allow}, not ${request.method}`, {
              facts: { allow },
            }),
          );
        },
        handler: () => undefined,
      });
    }
  };
}
