/** What is recorded of what operators do, that it stays as it was, and that it is noticed where it did not. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditEntry, auditLineSchema, auditSchema } from '../../../shared/api/audit.js';
import { silentLog } from '../../../shared/log.js';
import { openAccessDatabase } from '../../../replica/access/access-store.js';
import { AuditLog, type NewAuditEntry } from '../../../replica/access/audit-log.js';
import { runCommandLine } from '../../../cli/program.js';
import { TOKEN } from '../../cli/support/served-memory.js';
import { HandClock, OpenDoor } from './support/open-door.js';

let folder: string;
let door: OpenDoor;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-audit-'));
  door = await new OpenDoor({}, { dataFolder: folder }).start();
});
afterEach(async () => {
  await door.stop();
  rmSync(folder, { recursive: true });
});

async function entries(query = ''): Promise<AuditEntry[]> {
  const answer = await door.ask(`/v1/audit${query}`);
  return auditSchema.parse(await answer.json()).entries;
}

async function verify(args: readonly string[] = []): Promise<{ code: number; text: string }> {
  let text = '';
  const code = await runCommandLine(['audit', 'verify', ...args], {
    env: { AFTERIMAGE_URL: door.url, AFTERIMAGE_TOKEN: TOKEN },
    folder,
    out: (piece) => {
      text += piece.toString();
      return Promise.resolve();
    },
    err: (piece) => {
      text += piece;
    },
    ...{ outClosed: false, errIsTerminal: false, columns: 100 },
    signal: new AbortController().signal,
  });
  return { code, text };
}

/** Does to the database what somebody with the right to its file can. */
function tamper(sql: string): void {
  const db = new Database(join(folder, 'access.db'));
  for (const trigger of ['audit_stays', 'audit_remains', 'audit_follows']) {
    db.exec(`DROP TRIGGER ${trigger}`);
  }
  db.exec(sql);
  db.close();
}

const hold = { point: 'latest', reason: 'case 12' };

describe('what is recorded', () => {
  it('an action: who, role, address, what, on what, when and how it ended, before it is answered', async () => {
    const token = door.tokenOf('operator', ['shop']);
    await door.ask('/v1/sets/shop/sync', { token, body: {} });
    await door.ask('/v1/sets/shop/holds', { token, body: hold });
    const [held, synced] = await entries();
    expect(synced).toMatchObject({
      ...{ id: 1, timeMs: door.clock.now(), who: 'a operator', role: 'operator' },
      ...{ address: '127.0.0.1', action: 'sync', set: 'shop', point: null },
      ...{ status: 200, code: null },
    });
    expect(held).toMatchObject({ action: 'hold', set: 'shop', status: 404, code: 'not-found' });
  });

  it('what was refused: with who tried', async () => {
    const token = door.tokenOf('viewer', ['wiki']);
    await door.ask('/v1/sets/shop/sync', { token, body: {} });
    await door.ask('/v1/tokens', { token });
    await door.ask('/v1/status', { token: 'ai_wrong' });
    expect(await entries()).toMatchObject([
      { who: 'nobody', role: null, action: 'refused', detail: 'GET /v1/status', status: 401 },
      { who: 'a viewer', action: 'refused', detail: 'GET /v1/tokens', code: 'forbidden' },
      { who: 'a viewer', action: 'sync', set: 'shop', status: 403, code: 'forbidden' },
    ]);
  });

  it('logins, good and bad, tokens and agents: by name, never with a secret', async () => {
    await door.login();
    await door.ask('/v1/login', { token: '', body: { token: 'ai_guess' } });
    const body = { name: 'ci', role: 'viewer', sets: ['shop'] };
    const { token } = (await (await door.ask('/v1/tokens', { body })).json()) as { token: string };
    await door.ask('/v1/tokens/token-1/revoke', { method: 'POST' });
    await door.ask('/v1/agents', { body: { name: 'app-1' } });
    const all = await entries();
    expect(all).toMatchObject([
      { action: 'agent.enroll', detail: 'app-1', status: 404 },
      { action: 'token.revoke', detail: 'token-1 ci' },
      { action: 'token.create', detail: 'token-1 ci: viewer, shop' },
      { who: 'nobody', action: 'login', status: 401 },
      { who: 'local', role: 'admin', action: 'login', status: 200 },
    ]);
    const text = JSON.stringify(all);
    for (const secret of [token, TOKEN, 'ai_guess']) expect(text).not.toContain(secret);
  });

  it('contents that leave: which file of which point; lists are not recorded', async () => {
    const token = door.tokenOf('viewer');
    await door.ask('/v1/sets/shop/points/latest/file?path=app/a', { token });
    for (const list of ['/v1/status', '/v1/sets/shop/points', '/v1/sets/shop/points/1/ls']) {
      await door.ask(list, { token });
    }
    expect(await entries()).toMatchObject([
      { action: 'file.read', who: 'a viewer', set: 'shop', point: '1', detail: 'app/a' },
    ]);
  });

  it('the same read a thousand times in a minute: one entry at once, one that counts the others', async () => {
    const token = door.tokenOf('viewer');
    const node = door.shop.reader.tree(1).node('app/a');
    const read = async (): Promise<void> => {
      const answer = await door.ask('/v1/sets/shop/points/1/content', {
        token,
        body: { items: [{ node }] },
      });
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    };
    for (let count = 0; count < 20; count += 1) await read();
    await expect.poll(async () => (await entries()).length).toBe(1);
    door.clock.pass(60_000);
    await read();
    await expect.poll(async () => (await entries()).length).toBe(3);
    expect((await entries()).map(({ detail }) => detail)).toEqual([
      '',
      '(19 more within a minute)',
      '',
    ]);
  });
});

describe('reading it', () => {
  beforeEach(async () => {
    const token = door.tokenOf('operator');
    for (const set of ['shop', 'wiki', 'shop']) {
      door.clock.pass(1000);
      await door.ask(`/v1/sets/${set}/sync`, { token, body: {} });
    }
  });

  it('pages: newest first, each entry once', async () => {
    const ids: number[] = [];
    for (let before: number | null = 1000; before !== null;) {
      const answer = await door.ask(`/v1/audit?limit=2&before=${before}`);
      const page = auditSchema.parse(await answer.json());
      ids.push(...page.entries.map(({ id }) => id));
      before = page.next;
    }
    expect(ids).toEqual([3, 2, 1]);
  });

  it.each([
    ['set=wiki', [2]],
    ['who=a%20operator', [3, 2, 1]],
    ['who=local', []],
    ['action=sync&set=shop', [3, 1]],
    ['fromMs=1900000002000&toMs=1900000003000', [2]],
  ])('filtered by %s: has entries %j', async (query, ids) => {
    expect((await entries(`?${query}`)).map(({ id }) => id)).toEqual(ids);
  });

  it('export: lines that end, or CSV with a header; recorded itself, for admins alone', async () => {
    const lines = (await (await door.ask('/v1/audit/export')).text()).trimEnd().split('\n');
    expect(lines.slice(0, -1).map((line) => auditLineSchema.parse(JSON.parse(line)).id)).toEqual([
      1, 2, 3, 4,
    ]);
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ type: 'end', lines: 4 });
    const answer = await door.ask('/v1/audit/export?format=csv&set=wiki');
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [header, row, rest] = (await answer.text()).split('\r\n');
    expect(header).toBe('id,timeMs,who,role,address,action,set,point,detail,status,code,digest');
    expect(row).toMatch(
      /^2,1900000002000,a operator,operator,127.0.0.1,sync,wiki,,,200,,[0-9a-f]{64}$/,
    );
    expect(rest).toBe('');
    expect((await door.ask('/v1/audit', { token: door.tokenOf('operator') })).status).toBe(403);
  });

  it('CSV: what a spreadsheet would run as a formula is text', async () => {
    const body = { name: '=cmd|"x"', role: 'viewer' };
    const { token } = (await (await door.ask('/v1/tokens', { body })).json()) as { token: string };
    await door.ask('/v1/sets/shop/sync', { token, body: {} });
    const text = await (await door.ask('/v1/audit/export?format=csv')).text();
    expect(text).toContain(`,"'=cmd|""x""",viewer,`);
  });
});

describe('what was recorded stays', () => {
  beforeEach(async () => {
    for (let count = 0; count < 5; count += 1) {
      await door.ask('/v1/sets/shop/sync', { body: {} });
    }
  });

  it.each([
    "UPDATE audit SET who = 'else' WHERE id = 2",
    'DELETE FROM audit WHERE id = 5',
    'DELETE FROM audit',
    "INSERT OR REPLACE INTO audit VALUES (2, 1, 'x', NULL, '', 'x', NULL, NULL, '', 200, NULL, 'x')",
    "INSERT INTO audit VALUES (9, 1, 'x', NULL, '', 'x', NULL, NULL, '', 200, NULL, 'x')",
  ])('%s: is refused', (sql) => {
    const db = new Database(join(folder, 'access.db'));
    expect(() => db.exec(sql)).toThrow(/audit/);
    db.close();
  });

  it('verified: is whole', async () => {
    const { code, text } = await verify();
    expect(text).toMatch(/^6 entries, none changed or taken out\nhead {2}6:[0-9a-f]{64}\n$/);
    expect(code).toBe(0);
  });

  it.each([
    ['an entry changed', "UPDATE audit SET who = 'else' WHERE id = 2", 'entry 2 does not fit'],
    ['an entry taken out', 'DELETE FROM audit WHERE id = 3', 'entry 4 does not fit'],
    ['the first taken out', 'DELETE FROM audit WHERE id = 1', 'entry 2 does not fit'],
    [
      'one taken out and the later ones moved up',
      'DELETE FROM audit WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4; UPDATE audit SET id = 4 WHERE id = 5',
      'entry 3 does not fit',
    ],
    ['the end cut off', 'DELETE FROM audit WHERE id > 3', 'is not any more'],
    ['all taken out', 'DELETE FROM audit', 'is not any more'],
  ])('%s, past the triggers: is noticed', async (_what, sql, why) => {
    tamper(sql);
    const { notedHead } = auditSchema.parse(await (await door.ask('/v1/audit')).json());
    expect(notedHead?.id).toBe(5);
    // As an auditor does it with a head of before: asking for the export adds an entry.
    const { code, text } = await verify(['--head', `5:${notedHead?.digest ?? ''}`]);
    expect(text).toContain(why);
    expect(code).toBe(1);
  });

  it('the end cut off while the replica was down: is noticed by what was noted beside the database', async () => {
    tamper('DELETE FROM audit WHERE id > 3');
    const { code, text } = await verify();
    expect(text).toContain('entry 5 was there once');
    expect(code).toBe(1);
  });

  it('written anew from the first entry on: is noticed by a head that was noted elsewhere', async () => {
    const { digest } = door.desk.audit.head();
    const all = [...door.desk.audit.all()];
    tamper('DELETE FROM audit');
    for (const { who, ...entry } of all) door.desk.audit.append({ ...entry, who: `not ${who}` });
    expect((await verify()).code).toBe(0);
    expect((await verify(['--head', `5:${digest}`])).code).toBe(1);
  });

  it('an export kept elsewhere: is verified without the replica', async () => {
    const file = join(folder, 'kept.ndjson');
    const lines = [...door.desk.audit.all()].map((entry) =>
      JSON.stringify({ type: 'entry', ...entry }),
    );
    writeFileSync(file, `${lines.join('\n')}\n`);
    expect((await verify([file])).code).toBe(0);
    writeFileSync(file, `${lines.join('\n').replace('"local"', '"other"')}\n`);
    expect((await verify([file])).code).toBe(1);
  });
});

describe('a disk that takes nothing', () => {
  const entry: NewAuditEntry = {
    ...{ who: 'x', role: 'admin', address: '::1', action: 'restore', set: 'shop' },
    ...{ point: '1', detail: '', status: 200, code: null },
  };

  it('refuses no work: entries wait, and are written before the next', () => {
    const db = openAccessDatabase(':memory:');
    const audit = new AuditLog(db, { clock: new HandClock(), log: silentLog });
    audit.append(entry);
    db.exec("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
    audit.append({ ...entry, detail: 'waits' });
    expect(audit.unwritten).toEqual({ waiting: 1, dropped: 0 });
    db.exec('DROP TRIGGER full');
    audit.append({ ...entry, detail: 'next' });
    expect([...audit.all()].map(({ detail }) => detail)).toEqual(['', 'waits', 'next']);
    expect(audit.unwritten).toEqual({ waiting: 0, dropped: 0 });
    db.close();
  });

  it('for long: keeps so many in memory, and says how many were lost', () => {
    const db = openAccessDatabase(':memory:');
    const audit = new AuditLog(db, { clock: new HandClock(), log: silentLog });
    db.exec("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
    for (let count = 0; count < 1010; count += 1) audit.append(entry);
    expect(audit.unwritten).toEqual({ waiting: 1000, dropped: 10 });
    db.close();
  });
});

it('secrets in the data folder: no token and no session is found in its files', async () => {
  const token = door.tokenOf('operator');
  const cookie = await door.login(token);
  await door.ask('/v1/sets/shop/sync', { token, body: {} });
  const copy = mkdtempSync(join(tmpdir(), 'afterimage-audit-copy-'));
  cpSync(folder, copy, { recursive: true });
  for (const name of ['access.db', 'access.db-wal', 'audit-head.json']) {
    const path = join(copy, name);
    if (!existsSync(path)) continue;
    const bytes = readFileSync(path);
    expect(bytes.includes(token)).toBe(false);
    expect(bytes.includes(cookie.split('=')[1] ?? token)).toBe(false);
  }
  rmSync(copy, { recursive: true });
});
