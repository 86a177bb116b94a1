/** Logins, what a cookie may do, tokens that are taken back, and tries that fail. */
import { afterEach, describe, expect, it } from 'vitest';
import { meSchema, newTokenSchema, tokensSchema } from '../../../shared/api/access.js';
import { Sessions } from '../../../replica/access/sessions.js';
import type { ServerOptions } from '../../../replica/serve/route-context.js';
import { TOKEN } from '../../cli/support/served-memory.js';
import { codeOf, HandClock, OpenDoor } from './support/open-door.js';

let door: OpenDoor;

async function open(
  options: Partial<ServerOptions> = {},
  kept: { readonly sessionMs?: number } = {},
): Promise<void> {
  door = await new OpenDoor(options, kept).start();
}
afterEach(async () => {
  await door.stop();
});

const own = (): Record<string, string> => ({ origin: door.url });

describe('a session', () => {
  it('begins with a token: an HttpOnly cookie of this site alone, and says who asks', async () => {
    await open();
    const token = door.tokenOf('operator', ['shop']);
    const answer = await door.ask('/v1/login', { token: '', body: { token } });
    expect(meSchema.parse(await answer.json())).toMatchObject({
      ...{ who: 'a operator', role: 'operator', sets: ['shop'], via: 'session' },
      expiresMs: door.clock.now() + 12 * 3600 * 1000,
    });
    const [cookie = ''] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^afterimage_session=[\w-]{43}; /);
    expect(cookie.split('; ').slice(1).sort()).toEqual([
      expect.stringMatching(/^Expires=/),
      'HttpOnly',
      'Path=/',
      'SameSite=Strict',
    ]);
    expect(cookie).not.toContain(token);
    const me = await door.ask('/v1/me', { cookie: cookie.split(';', 1)[0] ?? '' });
    expect(await me.json()).toMatchObject({ who: 'a operator', via: 'session' });
  });

  it('has the rights of its token: role and sets', async () => {
    await open();
    const cookie = await door.login(door.tokenOf('viewer', ['wiki']));
    expect((await door.ask('/v1/sets/wiki/points', { cookie })).status).toBe(200);
    expect((await door.ask('/v1/sets/shop/points', { cookie })).status).toBe(403);
    expect((await door.ask('/v1/tokens', { cookie })).status).toBe(403);
  });

  it('ends by logout, by its time, with its token, and with the process', async () => {
    await open({}, { sessionMs: 60_000 });
    const me = async (cookie: string): Promise<number> =>
      (await door.ask('/v1/me', { cookie })).status;
    const left = await door.login();
    await door.ask('/v1/logout', { method: 'POST', cookie: left, headers: own() });
    expect(await me(left)).toBe(401);
    const late = await door.login();
    door.clock.pass(59_999);
    expect(await me(late)).toBe(200);
    door.clock.pass(1);
    const over = await door.ask('/v1/me', { cookie: late });
    expect(over.status).toBe(401);
    expect(over.headers.getSetCookie()[0]).toMatch(/^afterimage_session=; /);
    const made = door.desk.tokens.create({
      ...{ name: 'short', role: 'viewer', sets: null, validMs: 30_000, by: 'test' },
    });
    const short = await door.login(made.token);
    door.clock.pass(30_000);
    expect(await me(short)).toBe(401);
    const cookie = await door.login();
    const other = await new OpenDoor().start();
    expect((await other.ask('/v1/me', { cookie })).status).toBe(401);
    await other.stop();
  });

  it('is one of so many: the oldest of a token ends, those of others stay', () => {
    const sessions = new Sessions(new HandClock());
    const first = sessions.begin('token-1', null).secret;
    const other = sessions.begin('token-2', null).secret;
    const later = Array.from({ length: 20 }, () => sessions.begin('token-1', null).secret);
    expect(sessions.find(first)).toBeUndefined();
    expect(sessions.find(other)).toBeDefined();
    expect(later.every((secret) => sessions.find(secret) !== undefined)).toBe(true);
    for (let token = 0; token < 2000; token += 1) sessions.begin(`token-${token}`, null);
    expect(sessions.size).toBeLessThanOrEqual(1000);
    return open();
  });
});

describe('another site that lets a browser ask with our cookie', () => {
  it.each([
    ['nothing that says where it comes from', {}],
    ['the origin of another site', { origin: 'https://evil.example' }],
    ['the origin of another port', { origin: 'http://127.0.0.1:1' }],
    ['no origin to tell', { origin: 'null' }],
    ['a word that it is another site', { 'sec-fetch-site': 'cross-site' }],
    ['a word that it is another port', { 'sec-fetch-site': 'same-site' }],
  ])('with %s: changes nothing', async (_what, headers) => {
    await open();
    const cookie = await door.login();
    const asked = { method: 'POST', cookie, headers, body: { name: 'x', role: 'admin' } };
    expect(await codeOf(await door.ask('/v1/tokens', asked))).toBe('forbidden');
    expect(door.desk.tokens.list({ limit: 10 }).tokens).toEqual([]);
  });

  it.each([[{ 'sec-fetch-site': 'same-origin' }], [own]])(
    'is not our own page: that one may',
    async (how) => {
      await open();
      const cookie = await door.login();
      const headers = typeof how === 'function' ? how() : how;
      const body = { name: 'x', role: 'viewer' };
      expect((await door.ask('/v1/tokens', { cookie, headers, body })).status).toBe(200);
    },
  );

  it('reads nothing either, logs nobody in, and a bearer token needs no origin', async () => {
    await open();
    const cookie = await door.login();
    const foreign = { 'sec-fetch-site': 'cross-site' };
    expect((await door.ask('/v1/status', { cookie, headers: foreign })).status).toBe(403);
    expect((await door.ask('/v1/status', { cookie })).status).toBe(200);
    const login = { token: '', headers: foreign, body: { token: TOKEN } };
    expect(await codeOf(await door.ask('/v1/login', login))).toBe('forbidden');
    const made = await door.ask('/v1/tokens', { body: { name: 'x', role: 'viewer' } });
    expect(made.status).toBe(200);
  });
});

describe('a token', () => {
  it('is told once and kept as a hash: name, role, sets, creation and last use are listed', async () => {
    await open();
    const body = { name: 'ci', role: 'operator', sets: ['shop'], validMs: 60_000 };
    const made = newTokenSchema.parse(await (await door.ask('/v1/tokens', { body })).json());
    const nowMs = door.clock.now();
    await door.ask('/v1/me', { token: made.token });
    const answer = await door.ask('/v1/tokens');
    const text = await answer.text();
    expect(text).not.toContain(made.token);
    expect(tokensSchema.parse(JSON.parse(text)).tokens).toEqual([
      {
        ...{ id: 'token-1', name: 'ci', role: 'operator', sets: ['shop'], state: 'valid' },
        ...{ createdMs: nowMs, createdBy: 'local', lastUsedMs: nowMs, expiresMs: nowMs + 60_000 },
        revokedMs: null,
      },
    ]);
  });

  it('past its time: is refused', async () => {
    await open();
    const body = { name: 'ci', role: 'viewer', validMs: 60_000 };
    const { token } = newTokenSchema.parse(await (await door.ask('/v1/tokens', { body })).json());
    door.clock.pass(59_999);
    expect((await door.ask('/v1/me', { token })).status).toBe(200);
    door.clock.pass(1);
    expect((await door.ask('/v1/me', { token })).status).toBe(401);
  });

  it('revoked: is refused at once, with its sessions and the streams it is being sent', async () => {
    await open();
    door.shop.reader.cut((tree) => {
      for (let index = 0; index < 20_000; index += 1) tree.file(`app/${index}`, '');
    });
    const token = door.tokenOf('viewer');
    const cookie = await door.login(token);
    const stream = await door.ask('/v1/sets/shop/points/latest/walk', { token });
    const reader = stream.body?.getReader();
    await reader?.read();
    const revoked = await door.ask('/v1/tokens/token-1/revoke', { method: 'POST' });
    expect(await revoked.json()).toMatchObject({ id: 'token-1', state: 'revoked' });
    expect((await door.ask('/v1/me', { token })).status).toBe(401);
    expect((await door.ask('/v1/me', { cookie })).status).toBe(401);
    const drained = async (): Promise<void> => {
      for (let done = false; !done;) ({ done = true } = (await reader?.read()) ?? {});
    };
    await expect(drained()).rejects.toThrow();
  });

  it('past its time in the middle of a stream: the stream ends', async () => {
    await open();
    door.shop.reader.cut((tree) => {
      for (let index = 0; index < 20_000; index += 1) tree.file(`app/${index}`, '');
    });
    const body = { name: 'ci', role: 'viewer', validMs: 60_000 };
    const { token } = newTokenSchema.parse(await (await door.ask('/v1/tokens', { body })).json());
    const stream = await door.ask('/v1/sets/shop/points/latest/walk', { token });
    door.clock.pass(60_000);
    door.desk.live.sweep();
    await expect(stream.text()).rejects.toThrow();
  });

  it.each([
    [{ name: '', role: 'viewer' }],
    [{ name: 'x', role: 'root' }],
    [{ name: 'x', role: 'admin', sets: ['shop'] }],
    [{ name: 'x', role: 'viewer', sets: [] }],
    [{ name: 'x', role: 'viewer', validMs: 0 }],
  ])('asked for as %j: is not made', async (body) => {
    await open();
    expect(await codeOf(await door.ask('/v1/tokens', { body }))).toBe('argument-invalid');
  });

  it('that is not there: cannot be revoked', async () => {
    await open();
    for (const id of ['token-9', 'local', 'x']) {
      const answer = await door.ask(`/v1/tokens/${id}/revoke`, { method: 'POST' });
      expect(await codeOf(answer)).toBe('not-found');
    }
  });
});

describe('tries that fail', () => {
  const tries = { max: 3, windowMs: 60_000 };

  it('bearer tokens: after so many, 429 with the time to wait; a good one passes all the while', async () => {
    await open({ tries });
    const statuses: number[] = [];
    for (let count = 0; count < 5; count += 1) {
      statuses.push((await door.ask('/v1/me', { token: 'ai_wrong' })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    const refused = await door.ask('/v1/me', { token: 'ai_wrong' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await codeOf(refused)).toBe('too-many-tries');
    expect((await door.ask('/v1/me')).status).toBe(200);
  });

  it('logins: after so many, none is looked at, a good one neither, until the time is over', async () => {
    await open({ tries: { max: 3, windowMs: 300 } });
    const login = (token: string): Promise<Response> =>
      door.ask('/v1/login', { token: '', body: { token } });
    for (let count = 0; count < 3; count += 1) expect((await login('wrong')).status).toBe(401);
    const refused = await login(TOKEN);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await codeOf(refused)).toBe('too-many-tries');
    await expect.poll(async () => (await login(TOKEN)).status).toBe(200);
  });

  it('nothing shown, or a session that is over: is no try', async () => {
    await open({ tries });
    for (let count = 0; count < 6; count += 1) {
      expect((await door.ask('/v1/me', { token: '' })).status).toBe(401);
      const cookie = `afterimage_session=${'x'.repeat(43)}`;
      expect((await door.ask('/v1/me', { cookie })).status).toBe(401);
    }
  });
});
