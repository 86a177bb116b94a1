/** The product observed from outside: an encryptor is an alarm within 30 s, and agent and replica tell metrics. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AlarmJson, alarmsSchema } from '../../shared/api/alarms.js';
import { encryptors, writeOffice } from '../replica/support/change-scenes.js';
import { Seeded } from '../support/seeded.js';
import { type Product, startProduct } from './support/product.js';

const SEED = Number(process.env['AFTERIMAGE_SEED'] ?? 20_260_106);
const ALARM_MS_MAX = 30_000;

let product: Product;
let root: string;
let files: readonly string[];

beforeAll(async () => {
  product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'office'));
      files = writeOffice(path.join(folder, 'office'), new Seeded(SEED), 150);
      return [{ name: 'office', roots: [path.join(folder, 'office')], schedule: 'continuous' }];
    },
    agent: { metrics: { listen: '127.0.0.1:0' } },
    replica: { metrics: 'open' },
  });
  root = path.join(product.folder, 'office');
  await product.until('there is a point', async () => (await product.points('office')).length > 0);
});

afterAll(async () => {
  await product.close();
});

async function massChange(): Promise<AlarmJson | undefined> {
  const { alarms } = alarmsSchema.parse(await product.api('/v1/alarms?kind=mass-change'));
  return alarms[0];
}

function urlIn(log: string, message: string): string {
  const line = log.split('\n').find((text) => text.includes(message)) ?? '';
  return /http:\/\/[^"\s]+/.exec(line)?.[0] ?? '';
}

test('metrics: agent and replica tell theirs, and that they are ready', async () => {
  const agent = urlIn(product.log('agent'), 'metrics are told');
  const replica = urlIn(product.log('replica'), 'replica serves');
  for (const url of [agent, replica]) {
    await product.until(
      `${url} is ready`,
      async () => (await fetch(`${url}/readyz`)).status === 200,
    );
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  }
  const told = await (await fetch(`${agent}/metrics`)).text();
  expect(told).toContain('afterimage_agent_set_replica_connected{set="office"} 1');
  expect(told).toMatch(/afterimage_agent_set_window_bytes\{set="office"\} [1-9]/);
  expect(told).toMatch(/afterimage_stage_bytes_total\{stage="hash"\} [1-9]/);
  const kept = await (await fetch(`${replica}/metrics`)).text();
  expect(kept).toContain('afterimage_set_agent_connected{set="office"} 1');
  expect(kept).toMatch(/afterimage_set_syncs_total\{set="office",result="committed"\} [1-9]/);
});

test('mass change: a continuous set is an alarm within 30 s of an encryptor, with a calm point that is whole', async () => {
  const original = files[0] ?? '';
  const before = fs.readFileSync(original);
  const startedMs = Date.now();
  for (const file of files.slice(0, 60)) encryptors['in place, then a new ending']?.(file);
  await product.until('the alarm', async () => (await massChange()) !== undefined);
  expect(Date.now() - startedMs).toBeLessThan(ALARM_MS_MAX);
  const { facts } = (await massChange()) ?? {};
  const name = path.relative(path.dirname(root), original);
  const { bytes } = await product.ok(['cat', `office@${facts?.calmPoint ?? 0}`, name]);
  expect(bytes.equals(before)).toBe(true);
  expect(facts?.hold).toMatch(/^hold-\d+$/);
  const status = (await product.ok(['status'])).bytes.toString();
  expect(status).toContain('office: critical, mass-change since ');
  expect(status).toContain(
    `The last point before it is office@${facts?.calmPoint ?? 0}, kept by ${facts?.hold ?? ''}.`,
  );
});
