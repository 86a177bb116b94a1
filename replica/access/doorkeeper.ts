/**
 * Finds out who is asking: by a bearer token, by the cookie of a session of the console, or for WebDAV
 * by Basic authentication with the token as password. Every request is looked up anew, so that what is
 * revoked or over is refused at once.
 */
import type {} from '@fastify/cookie';
import type { FastifyRequest } from 'fastify';
import { isAuthorised } from '../serve/token.js';
import { type Caller, makeCaller } from './access.js';
import type { Sessions } from './sessions.js';
import type { TokenStore } from './token-store.js';

/** The token of the data folder, as if it were one of the store's. */
export const LOCAL = 'local';
/** A browser takes the second name under TLS only, and from no other host. */
export const SESSION_COOKIE = 'afterimage_session';
export const SESSION_COOKIE_SECURE = '__Host-afterimage_session';

export interface Doorkeeper {
  /** The caller that the request shows to be; `wrong` when it shows a token that is not good. */
  identify(request: FastifyRequest): Caller | 'wrong' | 'nobody';
  /** The same for Basic authentication: any user, the token as password. */
  identifyBasic(request: FastifyRequest): Caller | 'wrong' | 'nobody';
  /** Who has this token; undefined when it is not good. */
  byToken(token: string): Caller | undefined;
}

export function createDoorkeeper(deps: {
  readonly localToken: string;
  readonly tokens: TokenStore;
  readonly sessions: Sessions;
}): Doorkeeper {
  const { localToken, tokens, sessions } = deps;

  const byToken = (token: string): Caller | undefined => {
    if (isAuthorised(`Bearer ${token}`, localToken)) {
      return local({ via: 'token', expiresMs: null });
    }
    const good = tokens.find(token);
    if (good === undefined) return undefined;
    const { id, name, role, sets, expiresMs } = good;
    return makeCaller({ who: name, role, sets, token: id, via: 'token', expiresMs });
  };

  const bySession = (secret: string): Caller | undefined => {
    const session = sessions.find(secret);
    if (session === undefined) return undefined;
    const { token, expiresMs } = session;
    if (token === LOCAL) return local({ via: 'session', expiresMs });
    const good = tokens.again(token);
    if (good === undefined) return undefined;
    const { name, role, sets } = good;
    return makeCaller({ who: name, role, sets, token, via: 'session', expiresMs });
  };

  return {
    byToken,
    identify: (request) => {
      const { authorization } = request.headers;
      if (authorization !== undefined) return byToken(bearerOf(authorization)) ?? 'wrong';
      const secret = sessionSecretOf(request);
      return secret === undefined ? 'nobody' : (bySession(secret) ?? 'nobody');
    },
    identifyBasic: (request) => {
      const { authorization } = request.headers;
      if (authorization === undefined) return 'nobody';
      return byToken(passwordOf(authorization) ?? bearerOf(authorization)) ?? 'wrong';
    },
  };
}

/** The secret of the session that the request's cookie names. */
export function sessionSecretOf(request: FastifyRequest): string | undefined {
  const { cookies } = request;
  const name = request.protocol === 'https' ? SESSION_COOKIE_SECURE : SESSION_COOKIE;
  return cookies[name];
}

function local(how: Pick<Caller, 'via' | 'expiresMs'>): Caller {
  return makeCaller({ who: LOCAL, role: 'admin', sets: null, token: LOCAL, ...how });
}

function bearerOf(authorization: string): string {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
}

function passwordOf(authorization: string): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}
