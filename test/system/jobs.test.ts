/** Jobs with real processes: syncs of an agent show up, and what a killed replica did goes on (promise 10). */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type JobJson, jobSchema, jobsSchema } from '../../shared/api/jobs.js';
import { type Product, startProduct } from './support/product.js';

let product: Product;

beforeAll(async () => {
  product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app'));
      fs.writeFileSync(path.join(folder, 'app', 'large'), randomBytes(4 * 1024 * 1024));
      fs.writeFileSync(path.join(folder, 'app', 'small'), 'small');
      return [{ name: 'app', roots: [path.join(folder, 'app')] }];
    },
  });
});

afterAll(async () => {
  await product.close();
});

async function job(id: string): Promise<JobJson> {
  return jobSchema.parse(await product.api(`/v1/jobs/${id}`));
}

async function jobs(query = ''): Promise<readonly JobJson[]> {
  return jobsSchema.parse(await product.api(`/v1/jobs${query}`)).jobs;
}

async function until(id: string, wanted: JobJson['state']): Promise<JobJson> {
  await product.until(`${id} is ${wanted}`, async () => (await job(id)).state === wanted);
  return job(id);
}

describe('jobs', () => {
  test('a first copy that the agent begins: is a job in its name, with what came', async () => {
    await product.until('there is a point', async () => (await product.points('app')).length > 0);
    const first = (await jobs('?kind=sync')).find(({ result }) => result?.counts.point === 1);
    expect(first).toMatchObject({
      set: 'app',
      by: 'agent:local',
      request: { begun: 'agent' },
      state: 'done',
      result: { counts: { point: 1 } },
      canCancel: false,
    });
    expect(first?.progress.bytes).toBeGreaterThan(4 * 1024 * 1024);
    expect(first?.progress.files).toBeGreaterThanOrEqual(2);
  });

  test('a sync that is asked for: is one job, that of its asker', async () => {
    const before = (await jobs()).length;
    fs.writeFileSync(path.join(product.folder, 'app', 'small'), 'changed');
    const { id } = jobSchema.parse(await product.api('/v1/jobs', { kind: 'sync', set: 'app' }));
    expect(await until(id, 'done')).toMatchObject({
      by: 'local',
      result: { counts: { point: 2 } },
    });
    expect((await jobs()).length).toBe(before + 1);
  });

  test('a killed replica: its job goes on where it stood, and can be cancelled then', async () => {
    const asked = { kind: 'scrub', set: 'app', bytesPerSecond: 512 * 1024 };
    const { id } = jobSchema.parse(await product.api('/v1/jobs', asked));
    await product.until('the round has begun', async () => (await job(id)).progress.bytes > 0);
    await product.kill('replica', 'SIGKILL');
    await product.startReplica();
    const again = await job(id);
    expect(again).toMatchObject({ state: 'running', attempt: 2 });
    await product.ok(['jobs', 'cancel', id]);
    expect((await until(id, 'cancelled')).problem?.code).toBe('cancelled');
    const resumed = await product.ok(['jobs', 'resume', id]);
    expect(resumed.out).toMatch(/scrub of app/);
    // Without the bound the rest takes no time; the round that began is the one that ends.
    await product.api('/v1/sets/app/scrub', { action: 'begin', bytesPerSecond: 1e9 });
    expect((await until(id, 'done')).result).toMatchObject({ counts: { damaged: 0 } });
    const { out } = await product.ok(['jobs', '--set', 'app', '--kind', 'scrub']);
    expect(out).toMatch(new RegExp(`${id} +scrub +app +done`));
  });

  test('a replica that stops and starts: has the history of its jobs', async () => {
    const before = await jobs();
    await product.kill('replica', 'SIGTERM');
    await product.startReplica();
    expect((await jobs()).slice(-before.length)).toEqual(before);
  });
});
