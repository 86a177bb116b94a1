/** What systemd hears of a service, by its own systemd-notify. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createServiceNotifier } from '../../cli/service-notify.js';
import { createLog, silentLog } from '../../shared/log.js';

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-notify-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

/** Prints every message on a line of its own, its lines joined by blanks. */
const listener = `
import socket, sys
listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listening.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(" ".join(listening.recv(4096).decode().split("\\n")), flush=True)
`;

test('service: systemd hears that it is ready, that it lives, and that it stops', async (context) => {
  for (const program of ['systemd-notify', 'python3']) {
    if (spawnSync('which', [program]).status !== 0) context.skip(`${program} is not installed`);
  }
  const socket = path.join(folder, 'notify');
  const systemd = spawn('python3', ['-c', listener, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let heard = '';
  systemd.stdout.on('data', (text: Buffer) => (heard += text.toString()));
  try {
    await expect.poll(() => heard, { timeout: 10_000 }).toContain('listening');
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '100000' };
    const service = createServiceNotifier(env, silentLog);
    service.ready('serving');
    await expect.poll(() => heard, { timeout: 10_000 }).toMatch(/READY=1.*STATUS=serving/);
    await expect
      .poll(() => heard.match(/WATCHDOG=1/g)?.length, { timeout: 10_000 })
      .toBeGreaterThan(2);
    service.stopping();
    await expect.poll(() => heard, { timeout: 10_000 }).toContain('STOPPING=1');
    service.close();
  } finally {
    systemd.kill();
  }
});

test('service: nothing is said where no systemd listens', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', write: (line) => lines.push(line) });
  const service = createServiceNotifier({}, log);
  service.ready('serving');
  service.stopping();
  service.close();
  expect(lines).toEqual([]);
});
