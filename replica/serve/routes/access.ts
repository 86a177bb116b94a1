/** Who is asking: login and logout of the console, and the tokens that admins give. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  loginRequestSchema,
  logoutSchema,
  type MeAnswer,
  meSchema,
  type NewTokenAnswer,
  newTokenSchema,
  type TokenJson,
  tokenRequestSchema,
  tokenSchema,
  type TokensAnswer,
  tokensQuerySchema,
  tokensSchema,
} from '../../../shared/api/access.js';
import { AfterimageError } from '../../../shared/errors.js';
import { accessOf, type Caller, grantAccess } from '../../access/access.js';
import { noteAudit } from '../../access/audit-note.js';
import { SESSION_COOKIE, SESSION_COOKIE_SECURE, sessionSecretOf } from '../../access/doorkeeper.js';
import { isForeign } from '../../access/own-origin.js';
import { checked } from '../requests.js';
import type { RouteContext } from '../route-context.js';

const tag = 'access';

export function registerAccess(app: FastifyInstance, context: RouteContext): void {
  registerSessions(app, context);
  registerTokens(app, context);
}

function registerSessions(app: FastifyInstance, { access, tries }: RouteContext): void {
  app.post(
    '/v1/login',
    {
      config: {
        role: 'open',
        audit: 'login',
        describe: {
          summary: 'Begins a session: answers with a cookie in place of the token',
          tag,
          body: loginRequestSchema,
          answer: meSchema,
        },
      },
    },
    async (request, reply): Promise<MeAnswer> => {
      if (isForeign(request)) {
        throw new AfterimageError('forbidden', 'another site asks in the name of this one');
      }
      const { token } = checked(loginRequestSchema, request.body);
      await tries.check(request);
      const known = access.door.byToken(token);
      if (known === undefined) {
        await tries.count(request);
        throw new AfterimageError('unauthorised', 'this token is not good, or no longer');
      }
      const { secret, expiresMs } = access.sessions.begin(known.token, known.expiresMs);
      const caller: Caller = { ...known, via: 'session', expiresMs };
      grantAccess(request, caller);
      const { secure, name } = cookieOf(request);
      reply.setCookie(name, secret, {
        path: '/',
        httpOnly: true,
        sameSite: 'strict',
        secure,
        expires: new Date(expiresMs),
      });
      return presentMe(caller);
    },
  );

  app.post(
    '/v1/logout',
    {
      config: {
        role: 'viewer',
        audit: 'logout',
        describe: { summary: 'Ends the session of the cookie', tag, answer: logoutSchema },
      },
    },
    (request, reply) => {
      const secret = sessionSecretOf(request);
      endCookie(request, reply);
      return { ended: secret !== undefined && access.sessions.end(secret) };
    },
  );

  app.get(
    '/v1/me',
    { config: { role: 'viewer', describe: { summary: 'Who asks', tag, answer: meSchema } } },
    (request): MeAnswer => presentMe(accessOf(request)),
  );
}

function registerTokens(app: FastifyInstance, { access }: RouteContext): void {
  app.get(
    '/v1/tokens',
    {
      config: {
        role: 'admin',
        describe: {
          summary: 'Tokens, newest first',
          tag,
          query: tokensQuerySchema,
          answer: tokensSchema,
        },
      },
    },
    (request): TokensAnswer => access.tokens.list(checked(tokensQuerySchema, request.query)),
  );

  app.post(
    '/v1/tokens',
    {
      config: {
        role: 'admin',
        audit: 'token.create',
        describe: {
          summary: 'Makes a token, which is told once',
          tag,
          body: tokenRequestSchema,
          answer: newTokenSchema,
        },
      },
    },
    (request): NewTokenAnswer => {
      const wanted = checked(tokenRequestSchema, request.body);
      const made = access.tokens.create({ ...wanted, by: accessOf(request).who });
      const sets = made.sets === null ? 'all sets' : made.sets.join(' ');
      noteAudit(request, { detail: `${made.id} ${made.name}: ${made.role}, ${sets}` });
      return made;
    },
  );

  app.post<{ Params: { readonly id: string } }>(
    '/v1/tokens/:id/revoke',
    {
      config: {
        role: 'admin',
        audit: 'token.revoke',
        describe: {
          summary: 'Refuses a token from now on, its sessions and what it is being answered too',
          tag,
          answer: tokenSchema,
        },
      },
    },
    (request, reply): TokenJson => {
      const { id } = request.params;
      noteAudit(request, { detail: id });
      const revoked = access.tokens.revoke(id);
      noteAudit(request, { detail: `${id} ${revoked.name}` });
      access.sessions.endOf(id);
      access.live.endOf(id, reply.raw);
      return revoked;
    },
  );
}

function presentMe({ who, role, sets, via, expiresMs }: Caller): MeAnswer {
  return { who, role, sets: sets === null ? null : [...sets], via, expiresMs };
}

function endCookie(request: FastifyRequest, reply: FastifyReply): void {
  const { name, secure } = cookieOf(request);
  reply.clearCookie(name, { path: '/', secure });
}

function cookieOf(request: FastifyRequest): { readonly name: string; readonly secure: boolean } {
  const secure = request.protocol === 'https';
  return { name: secure ? SESSION_COOKIE_SECURE : SESSION_COOKIE, secure };
}
