/** Processes of the product and its peers while they are measured: start, cost so far, stop by pid. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError } from '../shared/errors.js';

const STOP_MS = 15_000;
const POLL_MS = 10;
/** USER_HZ, which is 100 wherever /proc exists. */
const TICKS_PER_S = 100;

export interface ProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Gets NAME.log with what the process prints. */
  readonly folder: string;
}

/** What a process has used since it started. */
export interface ProcessCost {
  readonly cpuS: number;
  readonly rssPeakMib: number;
}

export class MeasuredProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #log: string;
  readonly #kill = (): void => {
    this.#child.kill('SIGTERM');
  };

  constructor({ name, command, args, folder }: ProcessOptions) {
    this.#name = name;
    this.#log = join(folder, `${name}.log`);
    const log = openSync(this.#log, 'a');
    this.#child = spawn(command, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    process.prependOnceListener('exit', this.#kill);
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw this.#failed('did not start');
    return pid;
  }

  /** Polls until `ready` gives something. Throws `timed-out`, or with the log when the process ended. */
  async until<T>(
    ready: () => T | undefined | Promise<T | undefined>,
    timeoutMs: number,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = await ready();
      if (found !== undefined) return found;
      if (this.#ended) throw this.#failed('ended by itself');
      if (performance.now() > deadline) throw this.#failed(`is not ready after ${timeoutMs} ms`);
      await delay(POLL_MS);
    }
  }

  cost(): ProcessCost {
    return costOf(this.pid);
  }

  /** Bytes sent over its TCP connections of now, as the kernel counts; undefined without `ss`. */
  sentBytes(): number | undefined {
    const { error, stdout } = spawnSync('ss', ['-tinpHO'], { encoding: 'utf8' });
    if (error !== undefined) return undefined;
    const own = stdout.split('\n').filter((line) => line.includes(`pid=${this.pid},`));
    const counts = own.map((line) => Number(/\bbytes_sent:(\d+)/.exec(line)?.[1] ?? 0));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    process.removeListener('exit', this.#kill);
    if (this.#ended) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #failed(what: string): AfterimageError {
    const said = readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
    return new AfterimageError('timed-out', `${this.#name} ${what}:\n${said}`);
  }
}

/** Throws ENOENT when there is no such process. */
export function costOf(pid: number): ProcessCost {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const peakKib = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN);
  // The command's name, in brackets, may hold anything: fields are counted after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuS: ticks / TICKS_PER_S, rssPeakMib: peakKib / 1024 };
}

/** A TCP port on loopback that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port was given'));
      });
    });
  });
}
