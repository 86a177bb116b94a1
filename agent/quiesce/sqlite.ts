/**
 * Holds SQLite databases through SQLite itself: a child process (R18) takes the write lock of each,
 * so that the file and its `-wal` can be read here while no commit happens. Readers go on.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { AfterimageError } from '../../shared/errors.js';
import { holdUnderWatchdog } from './hold-under-watchdog.js';
import type { Hold } from './hold-under-watchdog.js';
import { readJsonLines, writeJsonLine } from './json-lines.js';
import { processEntry } from './process-entry.js';
import { identityOf } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';
import type { QuiesceDeps, QuiesceRecipe, SqliteConfig } from './recipe.js';
import { performRelease } from './release-action.js';
import { isFromSqliteHolder } from './sqlite-protocol.js';
import type { FromSqliteHolder, ToSqliteHolder } from './sqlite-protocol.js';

const LET_GO_MS_MAX = 5_000;
const START_MS_MAX = 30_000;

export function createSqliteRecipe(config: SqliteConfig, deps: QuiesceDeps): QuiesceRecipe {
  return {
    name: 'sqlite',
    consistency: 'application',
    hold: async (signal) => {
      if (config.databases.length === 0) {
        throw new AfterimageError('quiesce-failed', 'sqlite: the set has no database');
      }
      const holder = await startHolder(signal);
      const hold = createHold(config, holder);
      const { deadlineMs } = config;
      return holdUnderWatchdog({ name: 'sqlite', hold, deadlineMs, deps, signal });
    },
  };
}

/** The holder process; it has opened nothing until it is told to hold. */
interface Holder {
  readonly identity: ProcessIdentity;
  /** Aborts when the process has ended. */
  readonly gone: AbortSignal;
  send(message: ToSqliteHolder): void;
  /** The next thing it says; rejects when it ends or `signal` aborts before. */
  next(signal?: AbortSignal): Promise<FromSqliteHolder>;
  /** Closes its input, which ends it. */
  close(): void;
}

async function startHolder(signal: AbortSignal): Promise<Holder> {
  const child = spawn(process.execPath, [processEntry('sqlite-holder')], {
    cwd: '/',
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = new AbortController();
  child.stdin.on('error', () => undefined); // its end is told by `gone`
  child.once('exit', (code, killedBy) => {
    gone.abort(new Error(`the lock holder ended (${killedBy ?? code ?? 'unknown'})`));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  }).catch((error: unknown) => {
    throw new AfterimageError('quiesce-failed', 'sqlite: no lock holder', { cause: error });
  });
  const identity = identityOf(child.pid ?? 0);
  if (identity === undefined) {
    throw new AfterimageError('quiesce-failed', 'sqlite: the lock holder ended at once');
  }
  const holder = connect(child, identity, gone.signal);
  // Node takes its time to start: over before the application is made to wait.
  try {
    await holder.next(AbortSignal.any([signal, AbortSignal.timeout(START_MS_MAX)]));
  } catch (error) {
    holder.close();
    const code = signal.aborted ? 'cancelled' : 'quiesce-failed';
    throw new AfterimageError(code, 'sqlite: the lock holder did not start', { cause: error });
  }
  return holder;
}

function connect(
  child: ChildProcessByStdio<Writable, Readable, null>,
  identity: ProcessIdentity,
  gone: AbortSignal,
): Holder {
  const heard: FromSqliteHolder[] = [];
  let wake: () => void = () => undefined;
  readJsonLines(
    child.stdout,
    (message) => {
      if (isFromSqliteHolder(message)) heard.push(message);
      wake();
    },
    () => undefined,
  );
  return {
    identity,
    gone,
    send: (message) => {
      writeJsonLine(child.stdin, message);
    },
    async next(signal) {
      const stop = signal === undefined ? gone : AbortSignal.any([gone, signal]);
      for (;;) {
        const message = heard.shift();
        if (message !== undefined) return message;
        stop.throwIfAborted();
        await new Promise<void>((resolve) => {
          wake = resolve;
          const onStop = (): void => {
            resolve();
          };
          stop.addEventListener('abort', onStop, { once: true });
        });
      }
    },
    close: () => {
      child.stdin.end();
    },
  };
}

function createHold(config: SqliteConfig, holder: Holder): Hold {
  const { databases, busyTimeoutMs } = config;
  const action = { kind: 'kill', process: holder.identity } as const;
  let holding = false;
  return {
    action,
    letGoMsMax: LET_GO_MS_MAX,
    lost: holder.gone,
    async acquire(signal) {
      holder.send({ do: 'hold', databases, busyTimeoutMs });
      const answer = await holder.next(signal);
      if (answer.say === 'failed') throw new Error(`${answer.database}: ${answer.message}`);
      if (answer.say !== 'held') throw new Error('the lock holder said something unexpected');
      holding = true;
      return answer.facts;
    },
    async letGo() {
      if (!holding) {
        // It may be waiting inside SQLite for a writer, where it hears nothing.
        return { problems: await performRelease(action), intact: false };
      }
      const intact = await release(holder);
      holder.close();
      return { problems: intact ? [] : await performRelease(action), intact };
    },
  };
}

/** True when the holder says that it held until now; false when it does not answer. */
async function release(holder: Holder): Promise<boolean> {
  try {
    holder.send({ do: 'release' });
    const answer = await holder.next(AbortSignal.timeout(LET_GO_MS_MAX / 2));
    return answer.say === 'released';
  } catch {
    return false; // killed or stuck: the caller kills it, and the hold counts as broken
  }
}
