/**
 * One session with a server, through its own client program in a child process (R18): a command
 * goes in, its answer comes back as lines. The program ends when its input does, so that nothing of
 * the agent stays connected after it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { identityOf } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

export interface ClientProgram {
  /** A name on the PATH, or a path. */
  readonly program: string;
  readonly args: readonly string[];
  /** Besides PATH and LC_ALL it has no other: the agent's own environment names no server. */
  readonly env: Readonly<Record<string, string>>;
  /** Run as this user of the system; as the agent's own when undefined. */
  readonly runAs: string | undefined;
  /** The text that makes the program do `command` and print `mark` on a line of its own after it. */
  readonly frame: (command: string, mark: string) => string;
  /** The program says failures and goes on, with no mark for the command: then it is ended. */
  readonly goesOnAfterFailure?: boolean;
}

export interface ClientSession {
  readonly identity: ProcessIdentity;
  /** Aborts when the program has ended, as it does when the server goes away under a command. */
  readonly gone: AbortSignal;
  /** The answer's lines. Rejects when the program ends or `signal` aborts before it is whole. */
  ask(command: string, signal: AbortSignal): Promise<string[]>;
  /** Ends its input; the program then ends by itself. */
  close(): void;
}

const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin';
const SAID_BYTES_MAX = 2_048;
/** An answer longer than this is not one to a question of ours. */
const LINES_MAX = 100_000;

/** @throws Error when the program cannot be started; what it then says comes with `ask` */
export function openSession(client: ClientProgram): ClientSession {
  const { program, args, frame } = client;
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    env: { PATH: process.env['PATH'] ?? SYSTEM_PATH, LC_ALL: 'C', ...client.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...userOf(client.runAs),
  });
  const gone = new AbortController();
  const lines: string[] = [];
  let wake: () => void = () => undefined;
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-SAID_BYTES_MAX);
    if (client.goesOnAfterFailure === true) child.kill('SIGKILL');
  });
  child.stdin.on('error', () => undefined); // its end is told by `gone`
  child.once('error', (error) => {
    gone.abort(new Error(`${program} could not be started: ${error.message}`, { cause: error }));
  });
  child.once('close', (code, signal) => {
    const why = said.trim() === '' ? `ended with ${code ?? signal ?? 'nothing'}` : said.trim();
    gone.abort(new Error(`${program}: ${why}`));
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (lines.length < LINES_MAX) lines.push(line);
    wake();
  });
  const identity = child.pid === undefined ? undefined : identityOf(child.pid);
  return {
    identity: identity ?? { pid: 0, startTicks: '' },
    gone: gone.signal,
    async ask(command, signal) {
      const stop = AbortSignal.any([gone.signal, signal]);
      const mark = randomUUID();
      child.stdin.write(frame(command, mark));
      for (;;) {
        const end = lines.indexOf(mark);
        if (end >= 0) return lines.splice(0, end + 1).slice(0, -1);
        stop.throwIfAborted();
        await new Promise<void>((resolve) => {
          wake = resolve;
          stop.addEventListener(
            'abort',
            () => {
              resolve();
            },
            { once: true },
          );
        });
      }
    },
    close: () => {
      child.stdin.end();
    },
  };
}

/** Numbers of a user of the system, however it is known there. */
function userOf(name: string | undefined): { uid: number; gid: number } | undefined {
  if (name === undefined) return undefined;
  const id = (option: string): number => Number(execFileSync('id', [option, '--', name]));
  return { uid: id('-u'), gid: id('-g') };
}
