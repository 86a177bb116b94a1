/**
 * Tells requests that a page of ours sends from those that another site lets the browser send with our
 * cookie (CSRF). Browsers say where a request comes from in headers that no script can write.
 */
import type { FastifyRequest } from 'fastify';

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

export function isSafeMethod(method: string): boolean {
  return safeMethods.has(method);
}

/**
 * Whether a request with our cookie is our own page's. One that changes something has to say so; one
 * that reads must only not say that it comes from elsewhere, as somebody may type its address.
 */
export function isOwnOrigin(request: FastifyRequest): boolean {
  const site = request.headers['sec-fetch-site'];
  if (isSafeMethod(request.method)) {
    return site === undefined || site === 'same-origin' || site === 'none';
  }
  if (site !== undefined && site !== 'same-origin') return false;
  const { origin } = request.headers;
  if (origin === undefined) return site === 'same-origin';
  return origin === `${request.protocol}://${request.host}`;
}

/** Without a cookie nothing is taken from the browser; still no other site logs its visitor in. */
export function isForeign(request: FastifyRequest): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers;
  return (origin !== undefined || site !== undefined) && !isOwnOrigin(request);
}
