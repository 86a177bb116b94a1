import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobLogSchema, jobSchema, jobsSchema } from '../../../shared/api/jobs.js';
import { problemSchema } from '../../../shared/api/problem.js';
import { silentLog } from '../../../shared/log.js';
import { openAccess } from '../../../replica/access/access-desk.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { TOKEN } from '../../cli/support/served-memory.js';
import { ServedJobs } from '../jobs/served-jobs.js';
import { describeDisk, describeTree } from '../support/disk-tree.js';

let replica: ServedJobs;

beforeEach(async () => {
  replica = new ServedJobs();
  replica.set.cut((tree) =>
    tree.folder('app').file('app/a', 'alpha').file('app/b', 'beta').symlink('app/c', 'a'),
  );
  replica.set.cut((tree) => tree.file('app/a', 'alpha two'));
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
});

async function codeOf(response: Response): Promise<string> {
  return problemSchema.parse(await response.json()).code;
}

describe('jobs over HTTP', () => {
  it('a verification: runs, is listed, logged, and says what it found', async () => {
    replica.set.damage(replica.set.tree(1).node('app/b'), 0);
    const response = await replica.post('/v1/jobs', { kind: 'verify', set: 'shop' });
    expect(response.status).toBe(201);
    const { id } = jobSchema.parse(await response.json());
    const done = await replica.ended(id);
    expect(done).toMatchObject({
      state: 'done',
      by: 'local',
      request: { depth: 'data' },
      result: { counts: { points: 2, findings: 2, damagedPoints: 2 }, troubleCount: 2 },
    });
    expect(done.result?.troubles[0]).toMatchObject({ path: 'app/b', code: 'damaged' });
    const list = jobsSchema.parse(
      await (await replica.fetch('/v1/jobs?set=shop&state=done')).json(),
    );
    expect(list.jobs.map((job) => job.id)).toEqual([id]);
    const log = jobLogSchema.parse(await (await replica.fetch(`/v1/jobs/${id}/log`)).json());
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(2);
    expect(replica.set.openViews).toBe(0);
  });

  it.each([
    [{ kind: 'nothing', set: 'shop' }, 400, 'argument-invalid'],
    [{ kind: 'verify' }, 400, 'argument-invalid'],
    [{ kind: 'verify', set: 'other' }, 404, 'not-found'],
    [{ kind: 'verify', set: 'shop', point: '9' }, 404, 'not-found'],
    [{ kind: 'verify', set: 'shop', depth: 'deep' }, 400, 'argument-invalid'],
    [{ kind: 'scrub', set: 'shop' }, 404, 'not-found'],
    [{ kind: 'archive', set: 'shop', point: '1', to: '/elsewhere/a.tar' }, 403, 'target-refused'],
  ])('%j: is refused at once', async (body, status, code) => {
    const response = await replica.post('/v1/jobs', body);
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect(replica.desk.list({ sets: null, limit: 1 }).jobs).toEqual([]);
  });

  it('a sync of an agent that is away: is refused while the asker waits', async () => {
    replica.served.now = { ...replica.served.now, agentConnected: false };
    const response = await replica.post('/v1/jobs', { kind: 'sync', set: 'shop' });
    expect(await codeOf(response)).toBe('agent-away');
  });

  it('a sync: ends with the point that answers it, not with one that was on its way', async () => {
    let asked = '';
    replica.served.onAsk = (request) => {
      asked = request;
      return Promise.resolve();
    };
    const { id } = await replica.begin({ kind: 'sync', set: 'shop' });
    await expect.poll(() => asked).not.toBe('');
    replica.served.commit();
    expect(replica.desk.get(id).state).toBe('running');
    replica.served.commit(asked);
    expect(await replica.ended(id)).toMatchObject({
      state: 'done',
      result: { counts: { point: 4 } },
    });
    expect(replica.served.listeners).toBe(0);
  });

  it('a sync that is cancelled: waits no more', async () => {
    const { id } = await replica.begin({ kind: 'sync', set: 'shop' });
    expect((await replica.post(`/v1/jobs/${id}/cancel`)).status).toBe(200);
    expect((await replica.ended(id)).state).toBe('cancelled');
    expect(replica.served.listeners).toBe(0);
    const again = await replica.post(`/v1/jobs/${id}/cancel`);
    expect([again.status, await codeOf(again)]).toEqual([409, 'job-state']);
  });
});

describe('what jobs write on the replica (R22)', () => {
  const where = { kind: 'restore', set: 'shop', where: 'replica', point: '1' };

  it('a restore: is what the point held, below a restore root alone', async () => {
    const folder = join(replica.root, 'new');
    const { id } = await replica.begin({ ...where, target: { folder } });
    expect(await replica.ended(id)).toMatchObject({
      state: 'done',
      request: { point: '1' },
      result: { counts: { create: 4 }, troubleCount: 0 },
    });
    expect(describeDisk(loadPosix(), folder)).toEqual(describeTree(replica.set.tree(1)));
    for (const target of [{ folder: '/elsewhere' }, 'in-place', { beside: 'x' }]) {
      const refused = await replica.post('/v1/jobs', { ...where, target });
      expect([refused.status, await codeOf(refused)]).toEqual([403, 'target-refused']);
    }
    expect(replica.set.openViews).toBe(0);
  });

  it('a restore that is only tried: writes nothing and logs what it would do', async () => {
    const folder = join(replica.root, 'new');
    const asked = { ...where, target: { folder }, dryRun: true, paths: ['app/b'] };
    const { id } = await replica.begin(asked);
    const { result } = await replica.ended(id);
    const { lines } = replica.desk.log(id, { after: 0, limit: 100 });
    expect(lines.map(({ text }) => text)).toContain('create app/b (4 bytes)');
    const planned = { action: 'create', path: 'app/b', kind: 'file', bytes: 4 };
    expect(result?.planned).toContainEqual(planned);
    const [listed] = jobsSchema.parse(await (await replica.fetch('/v1/jobs')).json()).jobs;
    expect(listed?.result).toMatchObject({ counts: { create: 2 } });
    expect(listed?.result).not.toHaveProperty('planned');
    expect(readdirSync(replica.root)).toEqual([]);
  });

  it('a restore that is only tried, behind a link below the root: tells nothing of what is there', async () => {
    mkdirSync(join(replica.folder, 'elsewhere/app'), { recursive: true });
    writeFileSync(join(replica.folder, 'elsewhere/app/secret-name'), '');
    symlinkSync(join(replica.folder, 'elsewhere'), join(replica.root, 'link'));
    const target = { folder: join(replica.root, 'link') };
    const { id } = await replica.begin({ ...where, target, dryRun: true });
    const job = await replica.ended(id);
    expect(job.state).toBe('failed');
    const told = [job, replica.desk.log(id, { after: 0, limit: 100 })];
    expect(JSON.stringify(told)).not.toContain('secret-name');
  });

  it('what the point lacks is moved aside: to the folder that was asked for', async () => {
    mkdirSync(join(replica.root, 'app'));
    writeFileSync(join(replica.root, 'app/extra'), 'extra');
    const asked = { ...where, target: { folder: replica.root }, orphans: 'move-aside' };
    const { id } = await replica.begin({ ...asked, aside: 'before' });
    expect((await replica.ended(id)).state).toBe('done');
    expect(readFileSync(join(replica.root, 'app/before/extra'), 'utf8')).toBe('extra');
    const bad = await replica.post('/v1/jobs', { ...asked, aside: 'a\\x2fb' });
    expect([bad.status, await codeOf(bad)]).toEqual([400, 'argument-invalid']);
  });

  it('two restores to one folder, written in two ways: run one after the other', () => {
    const folder = join(replica.root, 'new');
    const kind = replica.desk.kindOf('restore', where);
    const request = (to: string) => kind.schema.parse({ ...where, target: { folder: to } });
    const [one, other] = [folder, `${replica.root}//new/`].map((to) =>
      kind.target?.('shop', request(to)),
    );
    expect(one).toBe(other);
  });

  it('an archive: appears whole, and replaces nothing', async () => {
    const to = join(replica.root, 'out/shop.tar');
    const asked = { kind: 'archive', set: 'shop', point: 'latest', to };
    const { id } = await replica.begin(asked);
    expect(await replica.ended(id)).toMatchObject({
      state: 'done',
      result: { counts: { entries: 4 } },
    });
    const { stdout } = spawnSync('tar', ['-xOf', to, 'app/a']);
    expect(stdout.toString()).toBe('alpha two');
    const again = await replica.ended((await replica.begin(asked)).id);
    expect(again.problem?.code).toBe('target-not-empty');
    expect(readdirSync(join(replica.root, 'out'))).toEqual(['shop.tar']);
  });

  it('an archive of something damaged: fails and leaves nothing behind (promise 2)', async () => {
    replica.set.damage(replica.set.tree(2).node('app/b'), 0);
    const to = join(replica.root, 'shop.zip');
    const asked = { kind: 'archive', set: 'shop', point: '2', to, format: 'zip' };
    const failed = await replica.ended((await replica.begin(asked)).id);
    expect(failed).toMatchObject({ state: 'failed', problem: { code: 'damaged' } });
    expect(readdirSync(replica.root)).toEqual([]);
  });

  it('an export of the audit: is a file of lines; a part that a crash left is not in its way', async () => {
    mkdirSync(join(replica.root, 'x'));
    writeFileSync(join(replica.root, 'x/.afterimage-job-1.part'), 'half');
    const { id } = await replica.begin({
      kind: 'export',
      what: 'audit',
      to: join(replica.root, 'x'),
    });
    expect((await replica.ended(id)).state).toBe('done');
    expect(readdirSync(join(replica.root, 'x'))).toEqual(['audit.ndjson']);
    expect(readFileSync(join(replica.root, 'x/audit.ndjson'), 'utf8')).toBe(
      '{"id":1,"action":"login"}\n',
    );
  });
});

describe('who may ask', () => {
  it('a token for another set: sees no job of this one and begins none', async () => {
    await replica.stop();
    const access = openAccess({ localToken: TOKEN, log: silentLog });
    const give = (role: 'viewer' | 'operator', sets: readonly string[] | null): string =>
      access.tokens.create({
        name: `${role} ${String(sets)}`,
        role,
        sets,
        validMs: null,
        by: 'test',
      }).token;
    const tokens = {
      mail: give('operator', ['mail']),
      viewer: give('viewer', null),
      operator: give('operator', ['shop']),
    };
    replica = new ServedJobs();
    replica.set.cut((tree) => tree.folder('app'));
    await replica.start({ access });
    const { id } = await replica.begin({ kind: 'verify', set: 'shop' });
    await replica.ended(id);
    const as = (who: keyof typeof tokens, path: string, body?: object): Promise<Response> =>
      fetch(`${replica.url}${path}`, {
        headers: { authorization: `Bearer ${tokens[who]}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      });
    const list = async (who: keyof typeof tokens): Promise<number> =>
      jobsSchema.parse(await (await as(who, '/v1/jobs')).json()).jobs.length;
    expect([await list('mail'), await list('viewer'), await list('operator')]).toEqual([0, 1, 1]);
    const statuses = await Promise.all([
      as('mail', `/v1/jobs/${id}`),
      as('mail', `/v1/jobs/${id}/log`),
      as('mail', '/v1/jobs', { kind: 'verify', set: 'shop' }),
      as('viewer', '/v1/jobs', { kind: 'verify', set: 'shop' }),
      as('operator', '/v1/jobs', { kind: 'prune', set: 'shop' }),
      as('operator', '/v1/jobs', { kind: 'export', what: 'audit', to: replica.root }),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
    expect((await as('operator', `/v1/jobs/${id}/resume`, {})).status).toBe(409);
    access.close();
  });
});
