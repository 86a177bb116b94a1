/**
 * Holds a Redis server: its writes are paused, what it has taken is written to the append-only file
 * or, without one, to a new dump, and then its processes are stopped. The pause ends by itself at the
 * deadline, whoever is there to end it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openSession } from './client-session.js';
import type { ClientSession } from './client-session.js';
import { killProcess } from './process-identity.js';
import type { QuiesceDeps, QuiesceFacts, QuiesceRecipe, RedisConfig } from './recipe.js';
import { serverRecipe } from './server-hold.js';
import type { ReadyServer } from './server-hold.js';
import { chooseFreezer, findServer, outsideOf } from './server-process.js';

const NAME = 'redis';
const POLL_MS = 5;

export function createRedisRecipe(config: RedisConfig, deps: QuiesceDeps): QuiesceRecipe {
  return serverRecipe({
    name: NAME,
    config,
    deps,
    ready: (signal) => getReady(config, deps, signal),
  });
}

async function getReady(
  config: RedisConfig,
  deps: QuiesceDeps,
  signal: AbortSignal,
): Promise<ReadyServer> {
  const session = connect(config);
  try {
    const about = await infoOf(session, signal);
    if (about.get('loading') === '1') throw new Error('the server is still loading');
    const files = await filesOf(session, signal);
    const outside = outsideOf(config.roots, { dir: files.folder });
    if (outside.length > 0) throw new Error(`outside of the set's roots: ${outside.join(', ')}`);
    const server = findServer(Number(about.get('process_id')), files.folder);
    const { cgroup, deadlineMs } = config;
    return {
      session,
      freezer: chooseFreezer({ server, cgroup, own: [process.pid, deps.watchdog.pid] }),
      facts: {
        version: about.get('redis_version') ?? '',
        runId: about.get('run_id') ?? '',
        role: about.get('role') ?? '',
        dataFolder: files.folder,
        persistence: about.get('aof_enabled') === '1' ? 'aof' : 'rdb',
      },
      rest: (limit) => rest({ session, files, deadlineMs, signal: limit }),
      wake: async (limit) => {
        await expectOk(session, 'CLIENT UNPAUSE', limit);
      },
    };
  } catch (error) {
    killProcess(session.identity, 'process');
    throw error;
  }
}

interface Files {
  readonly folder: string;
  readonly dump: string;
  readonly manifest: string;
}

async function filesOf(session: ClientSession, signal: AbortSignal): Promise<Files> {
  const setting = async (name: string): Promise<string> => {
    const [found, value = ''] = await session.ask(`CONFIG GET ${name}`, signal);
    if (found !== name) throw new Error(`CONFIG GET ${name}: ${found ?? 'no answer'}`);
    return value;
  };
  const folder = await setting('dir');
  const logName = await setting('appendfilename');
  const logFolder = await setting('appenddirname').catch(() => ''); // from version 7 on
  const dump = await setting('dbfilename');
  return { folder, dump, manifest: join(folder, logFolder, `${logName}.manifest`) };
}

/** No write is acknowledged any more, and every one that was is in the files. */
async function rest(at: {
  readonly session: ClientSession;
  readonly files: Files;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}): Promise<QuiesceFacts> {
  const { session, signal } = at;
  await expectOk(session, `CLIENT PAUSE ${at.deadlineMs} WRITE`, signal);
  const about = await infoOf(session, signal);
  const logPosition = about.get('master_repl_offset') ?? '';
  if (about.get('aof_enabled') === '1') {
    await until(at, (now) => now.get('aof_buffer_length') === '0');
    return { logPosition, ...logFilesOf(at.files) };
  }
  await save(at, about);
  return { logPosition, dump: at.files.dump };
}

type Info = ReadonlyMap<string, string>;

/** A dump of the paused data. One that was under way may have begun before the pause. */
async function save(
  at: { readonly session: ClientSession; readonly signal: AbortSignal },
  about: Info,
): Promise<void> {
  const isSaved = (now: Info): boolean =>
    now.get('rdb_changes_since_last_save') === '0' && now.get('rdb_bgsave_in_progress') === '0';
  if (isSaved(about)) return;
  const isIdle = (now: Info): boolean => now.get('rdb_bgsave_in_progress') === '0';
  await until(at, isIdle);
  await at.session.ask('BGSAVE SCHEDULE', at.signal);
  await until(at, (now) => {
    if (!isIdle(now)) return false;
    if (now.get('rdb_last_bgsave_status') !== 'ok') throw new Error('BGSAVE failed');
    return isSaved(now);
  });
}

async function until(
  at: { readonly session: ClientSession; readonly signal: AbortSignal },
  holds: (about: Info) => boolean,
): Promise<void> {
  while (!holds(await infoOf(at.session, at.signal))) {
    await wait(POLL_MS, undefined, { signal: at.signal });
  }
}

/** Names of the parts of the append-only file; none before version 7, where it is one file. */
function logFilesOf({ manifest }: Files): QuiesceFacts {
  let text: string;
  try {
    text = readFileSync(manifest, 'utf8');
  } catch {
    return {}; // one file without a manifest, or not ours to read: the facts are all that miss it
  }
  const named = (type: string): string =>
    [...text.matchAll(/^file (\S+) seq \d+ type (\w)/gm)]
      .filter((match) => match[2] === type)
      .map((match) => match[1] ?? '')
      .join(' ')
      .slice(0, 1_000);
  return { aofBase: named('b'), aofIncremental: named('i') };
}

async function infoOf(session: ClientSession, signal: AbortSignal): Promise<Info> {
  const lines = await session.ask('INFO', signal);
  const pairs = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, Math.max(0, colon)), line.slice(colon + 1).trim()];
  });
  const about = new Map(pairs);
  if (!about.has('redis_version')) throw new Error(lines.join(' ').slice(0, 500));
  return about;
}

async function expectOk(
  session: ClientSession,
  command: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = (await session.ask(command, signal)).join(' ').trim();
  if (answer !== 'OK') throw new Error(`${command}: ${answer}`);
}

function connect({ program, runAs, ...config }: RedisConfig): ClientSession {
  const { socket, host, port, user, passwordFile } = config;
  const password =
    passwordFile === undefined ? undefined : readFileSync(passwordFile, 'utf8').split('\n')[0];
  return openSession({
    program,
    runAs,
    args: [
      ...(socket === undefined ? [] : ['-s', socket]),
      ...(host === undefined ? [] : ['-h', host]),
      ...(port === undefined ? [] : ['-p', String(port)]),
      ...(user === undefined ? [] : ['--user', user]),
      '--no-auth-warning',
    ],
    env: {
      REDISCLI_HISTFILE: '/dev/null',
      ...(password === undefined ? {} : { REDISCLI_AUTH: password }),
    },
    frame: (command, mark) => `${command}\nECHO ${mark}\n`,
    goesOnAfterFailure: true,
  });
}
