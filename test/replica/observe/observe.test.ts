/** The observing part of a replica over HTTP: alarms, health, metrics, and what status says of them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addAgentMetrics } from '../../../agent/observe/agent-metrics.js';
import { Observe } from '../../../replica/observe/observe.js';
import { newCounters } from '../../../replica/receive/counters.js';
import type { ServedSet } from '../../../replica/serve/served-set.js';
import { createServer, type ApiServer } from '../../../replica/serve/server.js';
import { newTokenSchema } from '../../../shared/api/access.js';
import { alarmSchema, alarmsSchema, type AlarmsAnswer } from '../../../shared/api/alarms.js';
import { statusSchema } from '../../../shared/api/status.js';
import { parseReplicaConfig } from '../../../shared/config/replica-config.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { ErrorCounts } from '../../../shared/observe/error-counts.js';
import { MetricFamilies } from '../../../shared/observe/metric-families.js';
import { openObservedSet, type ObservedSet } from '../support/observed-set.js';

const TOKEN = 'x'.repeat(40);

let folder: string;
let set: ObservedSet;
let observe: Observe;
let server: ApiServer;
let url: string;
let isConnected = true;
let behindMs: number | null = 0;
let state: 'idle' | 'stalled' = 'idle';

/** A set of the test's, and the answers of its agent. */
function served(): ServedSet {
  const [opened] = set.house.opened;
  if (opened === undefined) throw new Error('the set is not open');
  return {
    reader: opened.reader,
    activity: () => ({
      agent: 'a',
      agentConnected: isConnected,
      state,
      error: null,
      continuityMs: behindMs === null ? null : 90_000,
      behindMs,
    }),
    onCommitted: () => ({ unsubscribe: () => undefined }),
    askSync: () => Promise.resolve(),
  };
}

beforeEach(async () => {
  isConnected = true;
  behindMs = 0;
  state = 'idle';
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-observe-'));
  set = await openObservedSet();
  fs.writeFileSync(path.join(set.root, 'file'), 'content');
  await set.sync();
  const config = parseReplicaConfig({
    path: path.join(folder, 'replica.yaml'),
    text: `data_folder: ${folder}\nalerts: { lag_max: 10m, sets: { test: 1m } }\nquotas: { free_bytes_min: 1 MiB }\n`,
  });
  observe = new Observe({
    file: ':memory:',
    dataFolder: folder,
    alerts: config.alerts,
    freeBytesMin: config.quotas.freeBytesMin,
    errors: new ErrorCounts(),
    clock: set.clock,
    log: silentLog,
    version: '1.2.3',
    hashCore: 'simd',
  });
  observe.start({
    sets: () => [served()],
    opened: () => set.house.opened,
    unopened: () => set.house.unopened,
    retention: set.retention,
    receiver: { counters: newCounters() },
    brokerConnected: () => isConnected,
  });
  server = createServer({
    sets: () => [served()],
    token: TOKEN,
    hash: createHashCore(),
    clock: set.clock,
    log: silentLog,
    version: '1.2.3',
    observe,
  });
  url = await server.listen({ host: '127.0.0.1', port: 0 });
});

afterEach(async () => {
  await server.close();
  await observe.close();
  await set.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function ask(route: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  return fetch(`${url}${route}`, { headers, ...init });
}

async function alarms(query = ''): Promise<AlarmsAnswer> {
  return alarmsSchema.parse(await (await ask(`/v1/alarms${query}`)).json());
}

test('alarms: lag over the target of the set is one, and is over with the lag', async () => {
  observe.look();
  expect((await alarms()).alarms).toEqual([]);
  behindMs = 61_000;
  observe.look();
  observe.look();
  const [alarm, ...others] = (await alarms()).alarms;
  expect(others).toEqual([]);
  expect(alarm).toMatchObject({
    kind: 'lag',
    set: 'test',
    untilMs: null,
    facts: { targetMs: 60_000 },
  });
  const status = statusSchema.parse(await (await ask('/v1/status')).json());
  expect(status.sets[0]).toMatchObject({ lagTargetMs: 60_000, alarms: 1, lastVerified: null });
  behindMs = 0;
  observe.look();
  expect((await alarms()).alarms).toEqual([]);
  expect((await alarms('?state=all')).alarms).toMatchObject([{ kind: 'lag' }]);
});

test('alarms: an idle set does not lag while its agent is away for a moment, and does once it is away for longer', async () => {
  set.advance(3600_000);
  observe.look();
  behindMs = null;
  isConnected = false;
  set.advance(50_000);
  observe.look();
  expect((await alarms()).alarms).toEqual([]);
  set.advance(20_000);
  observe.look();
  expect((await alarms()).alarms.map(({ kind }) => kind)).toEqual(['lag']);
  set.advance(300_000);
  observe.look();
  expect((await alarms()).alarms.map(({ kind }) => kind)).toEqual(['agent-away', 'lag']);
});

test('alarms: one that is acknowledged waits for nobody any more, and stays until its cause is gone', async () => {
  behindMs = 61_000;
  observe.look();
  const id = (await alarms()).alarms[0]?.id ?? '';
  const answer = await ask(`/v1/alarms/${id}/acknowledge`, {
    method: 'POST',
    body: JSON.stringify({ note: 'the link is being repaired' }),
  });
  expect(alarmSchema.parse(await answer.json()).acknowledged).toMatchObject({
    by: 'local',
    note: 'the link is being repaired',
  });
  expect(await alarms()).toMatchObject({ waiting: 0, alarms: [{ id, untilMs: null }] });
  expect(
    (await ask('/v1/alarms/alarm-99/acknowledge', { method: 'POST', body: '{}' })).status,
  ).toBe(404);
});

test('alarms: who sees other sets alone is told of the replica and of those, by the page, and acknowledges no alarm of the replica', async () => {
  const raise = (of: string | null) =>
    observe.desk.raise({ set: of, kind: 'gap', severity: 'warning', text: `of ${String(of)}` });
  const { id } = raise(null);
  raise('mail');
  for (let n = 0; n < 20; n += 1) raise(`other-${n}`);
  const { token } = newTokenSchema.parse(
    await (
      await ask('/v1/tokens', {
        method: 'POST',
        body: JSON.stringify({ name: 'm', role: 'operator', sets: ['mail'] }),
      })
    ).json(),
  );
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const page = async (query: string): Promise<AlarmsAnswer> =>
    alarmsSchema.parse(await (await ask(`/v1/alarms${query}`, { headers })).json());
  const first = await page('?limit=1');
  expect(first.alarms.map((alarm) => alarm.set)).toEqual(['mail']);
  const second = await page(`?limit=1&before=${String(first.next)}`);
  expect([second.alarms[0]?.set, second.next, second.waiting]).toEqual([null, null, 2]);
  const refused = await ask(`/v1/alarms/${id}/acknowledge`, {
    method: 'POST',
    body: '{}',
    headers,
  });
  expect(refused.status).toBe(403);
});

test('alarms: a check of more points than a call takes arguments is noted', () => {
  const points = Array.from({ length: 200_000 }, (_, at) => at + 1);
  observe.checked('test', { points, check: 'data', timeMs: 1000, findings: 0 }, 'verify');
  expect(observe.statusOf(served()).lastVerified).toMatchObject({ point: 200_000 });
});

test('alarms: findings of a check are one until a later check finds nothing', async () => {
  observe.checked('test', { points: [1], check: 'data', timeMs: 1000, findings: 2 }, 'verify');
  observe.look();
  expect((await alarms()).alarms).toMatchObject([{ kind: 'verify', severity: 'critical' }]);
  observe.checked('test', { points: [1], check: 'data', timeMs: 2000, findings: 0 }, 'verify');
  observe.look();
  expect((await alarms()).alarms).toEqual([]);
  const status = statusSchema.parse(await (await ask('/v1/status')).json());
  expect(status.sets[0]?.lastVerified).toEqual({ point: 1, timeMs: 2000, by: 'verify' });
});

test('health: anybody may ask; readiness says what is missing with 503', async () => {
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  isConnected = false;
  state = 'stalled';
  const answer = await fetch(`${url}/readyz`);
  expect(answer.status).toBe(503);
  const { checks } = (await answer.json()) as { checks: { check: string; ok: boolean }[] };
  expect(checks.filter(({ ok }) => !ok).map(({ check }) => check)).toEqual(['storage', 'broker']);
});

test('metrics: a token is asked for, and names, units and values are told', async () => {
  expect((await fetch(`${url}/metrics`)).status).toBe(401);
  const answer = await ask('/metrics');
  expect(answer.headers.get('content-type')).toContain('text/plain');
  const text = await answer.text();
  expect(text).toContain('afterimage_set_points{set="test"} 1');
  expect(text).toContain('afterimage_set_lag_seconds{set="test"} 0');
  expect(text).toContain('afterimage_set_lag_target_seconds{set="test"} 60');
  expect(text).toContain('afterimage_set_state{set="test",state="idle"} 1');
  expect(text).toContain('afterimage_build_info{version="1.2.3",hash_core="simd"} 1');
  expect(text).toMatch(/afterimage_set_point_age_seconds\{set="test",state="committed"\} \d/);
  for (const name of observe.metricNames()) expect(name).toMatch(/^afterimage_[a-z_]+$/);
});

test('observability: every metric of the dashboard and of the alert rules is told', () => {
  const read = (file: string): string =>
    fs.readFileSync(new URL(`../../../docs/observability/${file}`, import.meta.url), 'utf8');
  const dashboard = read('grafana-dashboard.json');
  const rules = read('alert-rules.yaml');
  JSON.parse(dashboard);
  expect((parse(rules) as { groups: unknown[] }).groups.length).toBeGreaterThan(0);
  const agentMetrics = new MetricFamilies();
  addAgentMetrics(agentMetrics, () => []);
  const told = new Set([...observe.metricNames(), ...agentMetrics.names()]);
  const used = [...`${dashboard}${rules}`.matchAll(/afterimage_[a-z_]+/g)].map(([name]) => name);
  expect(used.length).toBeGreaterThan(20);
  const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');
  expect(used.filter((name) => !told.has(name) && !told.has(base(name)))).toEqual([]);
});
