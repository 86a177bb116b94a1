/** A real database server in a folder of its own, for tests: started, loaded, judged and ended here. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession } from '../../agent/quiesce/client-session.js';

export interface DatabaseServer {
  /** What a set protects: the data folder. */
  readonly root: string;
  /** Of the server's first process, while it runs. */
  readonly pid: number;
  /** The set's `quiesce` section. */
  readonly quiesce: Readonly<Record<string, unknown>>;
  /** Further keys of the set. */
  readonly set: Readonly<Record<string, unknown>>;
  /** Resolves when it answers. */
  start(): Promise<void>;
  /** Makes tables and clients that change them until `stop`; call it once. */
  load(): Promise<void>;
  /** Writes that the server has acknowledged so far, counted from 1. */
  readonly acknowledged: number;
  /** Resolves when so many more writes were acknowledged. */
  goesOn(writes: number): Promise<void>;
  /** Throws when what it holds is not whole, or lacks one of the first `acknowledged` writes. */
  check(acknowledged: number): Promise<void>;
  /** Ends load and server and removes what is not in `root`. */
  stop(how?: 'orderly' | 'kill'): Promise<void>;
}

export interface DatabaseKind {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  missing(): string | undefined;
  /** A new server with an empty database in `root`, which is made; not started. */
  create(root: string): Promise<DatabaseServer>;
  /** A server on a copy of such a folder; not started. */
  open(root: string): DatabaseServer;
}

const PATIENCE_MS = 60_000;

/** A folder for sockets and logs that any user may enter; socket paths must be short. */
export function makeHome(name: string): string {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), `afterimage-${name}-`));
  fs.chmodSync(home, 0o755);
  return home;
}

/** Runs a program to its end; what it printed. Throws what it said when it failed. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly uid?: number; readonly gid?: number; readonly cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { cwd: '/', maxBuffer: 64 * 1024 * 1024, ...options },
      (error, out, err) => {
        if (error === null) resolve(out);
        else
          reject(new Error(`${program} ${args.join(' ')}: ${err}${out}`.trim(), { cause: error }));
      },
    );
  });
}

/** A server's process, whose output goes to a log. It ends with this process at the latest. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #atExit = (): void => {
    if (this.runs()) this.#child.kill('SIGKILL');
  };

  constructor(
    program: string,
    args: readonly string[],
    options: { readonly log: string; readonly uid?: number; readonly gid?: number },
  ) {
    const { log, ...user } = options;
    this.#log = log;
    const fd = fs.openSync(log, 'a');
    this.#child = spawn(program, args, { cwd: '/', stdio: ['ignore', fd, fd], ...user });
    fs.closeSync(fd);
    process.once('exit', this.#atExit);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  runs(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Polls until `works` does not reject. */
  async until(works: () => Promise<unknown>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        await works();
        return;
      } catch (cause) {
        const late = performance.now() > endMs;
        if (late || !this.runs()) {
          const said = fs.readFileSync(this.#log, 'utf8').slice(-4_000);
          throw new Error(`the server does not answer: ${said}`, { cause });
        }
        await sleep(20);
      }
    }
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    process.off('exit', this.#atExit);
    if (!this.runs()) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    await gone;
    clearTimeout(late);
  }
}

/** Clients that write numbered things one after the other, and count what was acknowledged. */
export class Ledger {
  acknowledged = 0;
  #stopping = false;
  #work: Promise<void> | undefined;
  readonly #session: ClientSession;
  readonly #write: (n: number) => string;

  constructor(session: ClientSession, write: (n: number) => string) {
    this.#session = session;
    this.#write = write;
  }

  start(): void {
    this.#work = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#session.ask(
          this.#write(this.acknowledged + 1),
          AbortSignal.timeout(PATIENCE_MS),
        );
        this.acknowledged += 1;
      } catch (error) {
        if (this.#session.gone.aborted) return; // the server was ended, or a check will tell
        throw error;
      }
    }
  }

  async goesOn(writes: number): Promise<void> {
    const wanted = this.acknowledged + writes;
    const endMs = performance.now() + PATIENCE_MS;
    while (this.acknowledged < wanted) {
      if (performance.now() > endMs || this.#session.gone.aborted) {
        throw new Error('the server takes no more writes', { cause: this.#session.gone.reason });
      }
      await sleep(2);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#work;
    this.#session.close();
  }
}

/** Throws unless the answer is the one that is expected. */
export function expectAnswer(question: string, answer: readonly string[], expected: string): void {
  const found = answer.join('\n');
  if (found !== expected) throw new Error(`${question}: found ${found}, expected ${expected}`);
}
