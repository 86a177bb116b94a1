/** What `doctor` finds, on a machine as it is and with configurations that are good and bad. */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Check } from '../../cli/doctor/check.js';
import { checkSkew } from '../../cli/doctor/host.js';
import { runCommandLine } from '../../cli/program.js';
import { sealing } from '../../shared/seal/load-gcm.js';

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-doctor-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

async function doctor(...options: readonly string[]): Promise<{ code: number; checks: Check[] }> {
  let out = '';
  const code = await runCommandLine(['doctor', '--json', ...options], {
    env: process.env,
    folder,
    out: (text) => {
      out += text.toString();
      return Promise.resolve();
    },
    outClosed: false,
    err: (text) => {
      throw new Error(text);
    },
    errIsTerminal: false,
    columns: 100,
    signal: new AbortController().signal,
  });
  const checks = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Check);
  return { code, checks };
}

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, text);
  return file;
}

function stateOf(checks: readonly Check[], subject: string): string | undefined {
  return checks.find((check) => check.subject === subject)?.state;
}

test('host: a machine that runs these tests is fit to run the product', async () => {
  const { code, checks } = await doctor();
  expect(checks.filter(({ state }) => state === 'fail')).toEqual([]);
  expect(code).toBe(0);
  expect(stateOf(checks, 'hash core')).toBe('ok');
});

test('host: who seals is said, and where the vector AES of the processor could, what to do', async () => {
  const { checks } = await doctor();
  const { by, lost } = sealing();
  const check = checks.find(({ subject }) => subject === 'sealing');
  expect(check?.state).toBe(lost === undefined ? 'ok' : 'warn');
  expect(check?.found).toContain(`by ${by}`);
});

test('agent: what is not there is named, with what to do', async () => {
  fs.mkdirSync(path.join(folder, 'shop'));
  const file = write(
    'agent.yaml',
    `data_folder: ${folder}/data
sets:
  - { name: shop, roots: ['${folder}/shop'] }
  - { name: orders, roots: ['${folder}/gone'], quiesce: { recipe: postgresql, program: /nowhere/psql } }
`,
  );
  const { code, checks } = await doctor('--agent', file);
  expect(code).toBe(1);
  expect(stateOf(checks, `shop: ${folder}/shop`)).toBe('ok');
  expect(['ok', 'warn']).toContain(stateOf(checks, 'shop: changes'));
  const failed = checks.filter(({ state }) => state === 'fail');
  expect(failed.map(({ subject }) => subject)).toEqual([
    'identity',
    `orders: ${folder}/gone`,
    'orders: quiesce',
  ]);
  for (const { advice } of failed) expect(advice).toBeTruthy();
  expect(fs.existsSync(path.join(folder, 'data'))).toBe(false);
});

test('replica: a port in use, a restore root that is gone and an open data folder are found', async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as net.AddressInfo;
    const data = path.join(folder, 'data');
    fs.mkdirSync(data, { mode: 0o755 });
    const file = write(
      'replica.yaml',
      `data_folder: ${data}\nlisten: 127.0.0.1:${port}\nrestore_roots: ['${folder}/none']\nquotas: { free_bytes_min: 1 KiB }\n`,
    );
    const { code, checks } = await doctor('--replica', file);
    expect(code).toBe(1);
    expect(stateOf(checks, 'API')).toBe('fail');
    expect(stateOf(checks, `restore root ${folder}/none`)).toBe('fail');
    expect(stateOf(checks, 'data folder')).toBe('warn');
  } finally {
    server.close();
  }
});

test('configuration: one that is wrong is a finding, not the end of it', async () => {
  const { code, checks } = await doctor('--agent', write('agent.yaml', 'sets: []\n'));
  expect(code).toBe(1);
  expect(stateOf(checks, 'configuration')).toBe('fail');
  expect(stateOf(checks, 'Node')).toBe('ok');
});

test('clocks: what lies between two looks agrees; what is off by more is told by how much', () => {
  const looked = { beforeMs: 1_000_000, afterMs: 1_000_050 };
  expect(checkSkew('clock', 1_000_020, looked).state).toBe('ok');
  expect(checkSkew('clock', 998_500, looked).state).toBe('ok');
  expect(checkSkew('clock', 1_060_050, looked)).toMatchObject({ state: 'warn' });
  expect(checkSkew('clock', 1_060_050, looked).found).toContain('ahead of this one');
  expect(checkSkew('clock', 940_000, looked).found).toContain('behind this one');
});
