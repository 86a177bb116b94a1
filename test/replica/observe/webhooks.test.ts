/** Webhooks, against a real HTTP server: what is told, how it is signed, and what becomes of failures. */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  DELIVERY_HEADER,
  SIGNATURE_HEADER,
  signatureOf,
  Webhook,
} from '../../../replica/observe/webhooks.js';
import type { AlarmJson } from '../../../shared/api/alarms.js';
import { systemClock } from '../../../shared/clock.js';
import type { WebhookConfig } from '../../../shared/config/alerts-config.js';
import { silentLog } from '../../../shared/log.js';

interface Received {
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

let received: Received[];
let answers: number[];
let server: http.Server;
let folder: string;
let webhook: Webhook | undefined;

const alarm: AlarmJson = {
  id: 'alarm-1',
  set: 'shop',
  kind: 'lag',
  severity: 'warning',
  sinceMs: 1000,
  untilMs: null,
  text: 'late',
  facts: {},
  acknowledged: null,
};

beforeEach(async () => {
  received = [];
  answers = [];
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-webhook-'));
  server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(answers.shift() ?? 204).end();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
});

afterEach(async () => {
  await webhook?.close();
  server.closeAllConnections();
  server.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

function open(config: Partial<WebhookConfig> = {}): Webhook {
  const { port } = server.address() as AddressInfo;
  const all = { secretFile: undefined, kinds: undefined, sets: undefined };
  const url = `http://127.0.0.1:${port}/hook`;
  webhook = new Webhook(
    { ...all, url, ...config },
    { clock: systemClock, log: silentLog, version: '1', retryMs: 5 },
  );
  return webhook;
}

test('webhook: an alarm is posted as JSON and signed with the secret, once for each event', async () => {
  const secretFile = path.join(folder, 'secret');
  fs.writeFileSync(secretFile, 's3cret\n');
  const hook = open({ secretFile });
  hook.tell(alarm, 'raised');
  hook.tell({ ...alarm, untilMs: 2000 }, 'settled');
  await hook.settled();
  expect(received.map(({ body }) => (JSON.parse(body) as { event: string }).event)).toEqual([
    'raised',
    'settled',
  ]);
  for (const { headers, body } of received) {
    const match = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers[SIGNATURE_HEADER]));
    expect(match?.[2]).toBe(signatureOf('s3cret', Number(match?.[1]), body));
  }
  expect(hook.counts).toEqual({ delivered: 2, failed: 0, dropped: 0 });
});

test('webhook: a delivery that fails is tried again under the same name, in order', async () => {
  answers = [500, 503, 204, 204];
  const hook = open();
  hook.tell(alarm, 'raised');
  hook.tell(alarm, 'changed');
  await hook.settled();
  const names = received.map(({ headers }) => headers[DELIVERY_HEADER]);
  expect(new Set(names.slice(0, 3)).size).toBe(1);
  expect(new Set(names).size).toBe(2);
  expect(hook.counts).toEqual({ delivered: 2, failed: 2, dropped: 0 });
});

test('webhook: what the receiver refuses for good is given up', async () => {
  answers = [400];
  const hook = open();
  hook.tell(alarm, 'raised');
  await hook.settled();
  expect(received).toHaveLength(1);
  expect(hook.counts).toEqual({ delivered: 0, failed: 1, dropped: 1 });
});

test('webhook: only kinds and sets that it is for are told', async () => {
  const hook = open({ kinds: ['gap', 'space'], sets: ['mail'] });
  hook.tell(alarm, 'raised');
  hook.tell({ ...alarm, kind: 'gap' }, 'raised');
  hook.tell({ ...alarm, kind: 'space', set: null }, 'raised');
  hook.tell({ ...alarm, kind: 'gap', set: 'mail', id: 'alarm-2' }, 'raised');
  await hook.settled();
  expect(received.map(({ body }) => (JSON.parse(body) as { alarm: AlarmJson }).alarm.id)).toEqual([
    'alarm-2',
  ]);
});

test('webhook: a receiver that is gone holds back nobody, and what waits is bounded', async () => {
  const hook = open({ url: 'http://127.0.0.1:1/gone' });
  const start = performance.now();
  for (let at = 0; at < 2000; at += 1) hook.tell({ ...alarm, id: `alarm-${at}` }, 'raised');
  expect(performance.now() - start).toBeLessThan(1000);
  expect(hook.counts.dropped).toBeGreaterThanOrEqual(2000 - 256 - 1);
  await hook.close();
});
