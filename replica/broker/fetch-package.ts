/**
 * Fetches a current nats-server from the machine's own Debian archive, without root and without
 * touching the system: apt with private state and cache folders, a source of a newer suite, its
 * signature check as it is; the package is unpacked, not installed.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { type AptSource, parseListFile, parseSourcesFile, sourceForSuite } from './apt-sources.js';
import { runCommand } from './run-command.js';

/** Newest first; the older ones are there for machines whose libc the newest does not run on. */
const suites = ['sid', 'forky', 'trixie'];
const FETCH_MS = 180_000;

export interface FetchOptions {
  /** Where unpacked packages are kept, one folder a suite. */
  readonly folder: string;
  /** Throws when the binary is no good; then the next suite is tried. */
  readonly check: (binary: string) => Promise<void>;
  readonly log: Log;
  /** `/etc`, except in tests. */
  readonly etc?: string;
}

/** The path of the binary. Throws `broker-missing` with every reason. */
export async function fetchBrokerPackage(options: FetchOptions): Promise<string> {
  const etc = options.etc ?? '/etc';
  const codename = codenameOf(readIfThere(join(etc, 'os-release')));
  const reasons: string[] = [];
  if (codename === null) reasons.push('this is no Debian machine');
  for (const suite of codename === null ? [] : suites) {
    const source = sourceForSuite(readSources(join(etc, 'apt')), {
      codename: codename ?? '',
      suite,
    });
    if (source === null) {
      reasons.push('its package sources name no Debian archive');
      break;
    }
    try {
      return await fetchFrom({ ...options, suite, source });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      options.log.debug('no broker from this suite', { suite, error: reason });
      reasons.push(`${suite}: ${reason}`);
    }
  }
  throw new AfterimageError('broker-missing', `no broker could be fetched: ${reasons.join('; ')}`);
}

async function fetchFrom(
  options: FetchOptions & { readonly suite: string; readonly source: string },
): Promise<string> {
  mkdirSync(options.folder, { recursive: true, mode: 0o755 });
  const work = mkdtempSync(join(options.folder, 'fetch-'));
  try {
    const apt = aptArguments(work, options.source);
    options.log.info('fetching a broker', { suite: options.suite });
    await runCommand('apt-get', [...apt, 'update'], { timeoutMs: FETCH_MS });
    await runCommand('apt-get', [...apt, 'download', 'nats-server'], {
      timeoutMs: FETCH_MS,
      cwd: work,
    });
    const archive = readdirSync(work).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get downloaded nothing');
    const unpacked = join(work, 'package');
    await runCommand('dpkg', ['-x', join(work, archive), unpacked], { timeoutMs: FETCH_MS });
    await options.check(binaryIn(unpacked));
    const place = join(options.folder, options.suite);
    // another process may have fetched it meanwhile, and may run it: a good one stays
    const there = await options.check(binaryIn(place)).then(
      () => true,
      () => false,
    );
    if (!there) {
      rmSync(place, { recursive: true, force: true });
      renameSync(unpacked, place);
    }
    return binaryIn(place);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Binaries that were fetched before, newest suite first. */
export function cachedBinaries(folder: string): string[] {
  return suites.map((suite) => binaryIn(join(folder, suite)));
}

function binaryIn(unpacked: string): string {
  return join(unpacked, 'usr', 'sbin', 'nats-server');
}

function aptArguments(work: string, source: string): string[] {
  const state = join(work, 'state');
  const cache = join(work, 'cache');
  mkdirSync(join(state, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives', 'partial'), { recursive: true });
  const list = join(work, 'sources.list');
  writeFileSync(list, source);
  return [
    ['Dir::State', state],
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache', cache],
    ['Dir::Etc::sourcelist', list],
    ['Dir::Etc::sourceparts', '-'],
    ['Acquire::Languages', 'none'],
  ].flatMap(([key = '', value = '']) => ['-o', `${key}=${value}`]);
}

function readSources(apt: string): AptSource[] {
  const parts = join(apt, 'sources.list.d');
  const sources = parseListFile(readIfThere(join(apt, 'sources.list')));
  for (const name of namesIn(parts)) {
    const text = readIfThere(join(parts, name));
    if (name.endsWith('.list')) sources.push(...parseListFile(text));
    if (name.endsWith('.sources')) sources.push(...parseSourcesFile(text));
  }
  return sources;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}

function codenameOf(osRelease: string): string | null {
  if (!/^ID=["']?debian["']?$/m.test(osRelease)) return null;
  return /^VERSION_CODENAME=["']?([a-z]+)/m.exec(osRelease)?.[1] ?? null;
}
