/** Who may ask which route: roles, scope, what is refused, and that a route that says nothing is shut. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { roles } from '../../../shared/api/access.js';
import { reaches } from '../../../replica/access/access.js';
import { codeOf, OpenDoor } from './support/open-door.js';

let door: OpenDoor;

const unsaid = (app: FastifyInstance): void => {
  app.get('/v1/unsaid', () => ({}));
  app.get('/unsaid', () => ({}));
};

beforeEach(async () => {
  door = await new OpenDoor({ addFaces: unsaid }).start();
});
afterEach(async () => {
  await door.stop();
});

/** A path that the pattern takes, of a set and point that are there. */
function pathOf(url: string): string {
  return url.replace(':set', 'shop').replace(':point', '1').replace(/:\w+/g, '999');
}

describe('every route below /v1/', () => {
  it('says who may ask it and what it is: but for those of this test', () => {
    const silent = door.server.routes.filter(
      ({ url, role, describe: said }) =>
        url !== '/v1/unsaid' && (role === undefined || said === undefined),
    );
    expect(silent.map(({ method, url }) => `${method} ${url}`)).toEqual([]);
    expect(door.server.routes.length).toBeGreaterThan(40);
  });

  it('open ones: are health and login, no others', () => {
    const open = door.server.routes.filter(({ role }) => role === 'open');
    expect(open.map(({ url }) => url).sort()).toEqual(['/v1/health', '/v1/login']);
  });

  it('that changes something and is kept out of the audit: is one that only reads', () => {
    const unrecorded = door.server.routes.filter(
      ({ method, audit }) => method === 'POST' && audit === false,
    );
    expect(unrecorded.map(({ url }) => url).sort()).toEqual(['/v1/sets/:set/retention/simulate']);
  });

  it('asked by each role: is forbidden to those below its own, and to no others', async () => {
    const tokens = roles.map((role) => ({ role, token: door.tokenOf(role) }));
    const wrong: string[] = [];
    for (const { method, url, role: least = 'admin' } of door.server.routes) {
      for (const { role, token } of tokens) {
        const body = method === 'POST' ? { body: {} } : {};
        const answer = await door.ask(pathOf(url), { method, token, ...body });
        await answer.body?.cancel();
        const mayAsk = least === 'open' || reaches(role, least);
        const refused = answer.status === 403;
        if (refused === mayAsk || answer.status === 405) {
          wrong.push(`${method} ${url} answered ${role} ${answer.status}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('asked by nobody, or with what is no token: is unauthorised', async () => {
    const wrong: string[] = [];
    for (const { method, url, role } of door.server.routes) {
      if (role === 'open') continue;
      for (const token of ['', 'ai_nothing', 'x'.repeat(44)]) {
        const answer = await door.ask(pathOf(url), { method, token });
        if (answer.status !== 401) wrong.push(`${method} ${url} answered ${answer.status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('of a set, asked by who is scoped to another: is forbidden, whether the set is there or not', async () => {
    const token = door.tokenOf('operator', ['wiki']);
    const wrong: string[] = [];
    const ofSets = door.server.routes.filter(({ url }) => url.includes(':set'));
    for (const { method, url } of ofSets) {
      for (const set of ['shop', 'none']) {
        const path = pathOf(url.replace(':set', set));
        const answer = await door.ask(path, { method, token });
        if (answer.status !== 403) wrong.push(`${method} ${path}`);
        if (method !== 'HEAD') expect(await codeOf(answer)).toBe('forbidden');
      }
    }
    expect(ofSets.length).toBeGreaterThan(15);
    expect(wrong).toEqual([]);
  });
});

describe('scope', () => {
  it('lists: name only the sets that the caller may see', async () => {
    const setsOf = async (token: string): Promise<string[]> => {
      const status = (await (await door.ask('/v1/status', { token })).json()) as {
        sets: { set: string }[];
      };
      return status.sets.map(({ set }) => set);
    };
    expect(await setsOf(door.tokenOf('viewer', ['wiki']))).toEqual(['wiki']);
    expect(await setsOf(door.tokenOf('viewer'))).toEqual(['shop', 'wiki']);
  });

  it('the name of a set in percent escapes: is the same set', async () => {
    const token = door.tokenOf('viewer', ['wiki']);
    expect((await door.ask('/v1/sets/%77iki/points', { token })).status).toBe(200);
    expect(await codeOf(await door.ask('/v1/sets/%73hop/points', { token }))).toBe('forbidden');
  });
});

describe('a route that says nothing of who may ask', () => {
  it.each([
    ['/v1/unsaid', 'viewer', 403],
    ['/v1/unsaid', 'operator', 403],
    ['/v1/unsaid', 'admin', 200],
    ['/unsaid', 'operator', 403],
    ['/unsaid', 'admin', 200],
  ] as const)('%s: answers %s with %i', async (path, role, status) => {
    expect((await door.ask(path, { token: door.tokenOf(role) })).status).toBe(status);
  });

  it('is not told apart from one that is not there, by strangers', async () => {
    for (const path of ['/v1/unsaid', '/v1/not-there', '/unsaid']) {
      expect((await door.ask(path, { token: '' })).status).toBe(401);
    }
  });
});

describe('outside /v1/', () => {
  it('the console and what leads there: are open', async () => {
    expect((await door.ask('/', { token: '' })).status).toBe(302);
    expect([200, 404]).toContain((await door.ask('/console/', { token: '' })).status);
  });

  it('WebDAV: takes the token as password of any user, and asks for it', async () => {
    const basic = (password: string) => ({
      authorization: `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`,
    });
    const ask = (headers: Record<string, string>): Promise<Response> =>
      door.ask('/dav/shop/x', { token: '', headers });
    expect([401, 403]).not.toContain((await ask(basic(door.tokenOf('viewer')))).status);
    const refused = await ask(basic('wrong'));
    expect(refused.headers.get('www-authenticate')).toBe('Basic realm="afterimage"');
    expect(await codeOf(refused)).toBe('unauthorised');
    expect((await ask({})).status).toBe(401);
    expect((await ask({ cookie: await door.login() })).status).toBe(401);
  });
});
