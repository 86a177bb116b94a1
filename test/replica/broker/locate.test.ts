import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchBrokerPackage } from '../../../replica/broker/fetch-package.js';
import { locateBroker } from '../../../replica/broker/locate.js';
import { silentLog } from '../../../shared/log.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-locate-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A program that only tells a version. */
function broker(path: string, version: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

const locate = () =>
  locateBroker({
    log: silentLog,
    cacheFolder: join(folder, 'cache'),
    searchPath: `${join(folder, 'empty')}:${join(folder, 'bin')}`,
    fetch: 'never',
  });

describe('locating a broker', () => {
  test('locate: one on PATH that is new enough is taken', async () => {
    const path = broker(join(folder, 'bin', 'nats-server'), '2.10.0');
    expect(await locate()).toEqual({ path, version: '2.10.0', origin: 'path' });
  });

  test('locate: one on PATH that is too old is passed over for one fetched before', async () => {
    broker(join(folder, 'bin', 'nats-server'), '2.9.25');
    const place = join('usr', 'sbin', 'nats-server');
    broker(join(folder, 'cache', 'trixie', place), '2.10.27');
    const newest = broker(join(folder, 'cache', 'sid', place), '2.15.1');
    expect(await locate()).toEqual({ path: newest, version: '2.15.1', origin: 'cache' });
  });

  test('locate: without any, and without fetching, it says what is missing', async () => {
    await expect(locate()).rejects.toMatchObject({ code: 'broker-missing' });
  });

  test('fetch: a machine without Debian sources gets a clear error with the reasons', async () => {
    const etc = join(folder, 'etc');
    mkdirSync(join(etc, 'apt'), { recursive: true });
    const check = () => Promise.resolve();
    const options = { folder: join(folder, 'cache'), check, log: silentLog, etc };
    await expect(fetchBrokerPackage(options)).rejects.toMatchObject({
      code: 'broker-missing',
      message: expect.stringContaining('no Debian machine') as string,
    });
    writeFileSync(join(etc, 'os-release'), 'ID=debian\nVERSION_CODENAME=bookworm\n');
    await expect(fetchBrokerPackage(options)).rejects.toMatchObject({
      code: 'broker-missing',
      message: expect.stringContaining('name no Debian archive') as string,
    });
  });
});
