/** The processes that `npm start` runs, and how it asks the command line of the product. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AfterimageError } from '../../shared/errors.js';

const mainFile = fileURLToPath(new URL('../main.js', import.meta.url));
const writerFile = fileURLToPath(new URL('./ledger-writer.js', import.meta.url));
const STOP_MS = 15_000;
const POLL_MS = 50;

interface Running {
  readonly name: string;
  readonly child: ChildProcess;
  readonly log: string;
}

export interface CommandAnswer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class Processes {
  readonly #folder: string;
  readonly #running: Running[] = [];
  #stopping = false;

  /** Logs go to `folder`/NAME.log; `folder`/replica is the replica's data folder. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get dataFolder(): string {
    return path.join(this.#folder, 'replica');
  }

  /** Starts a verb that serves. Its end, before `stop`, ends this process with its log's last lines. */
  serve(name: string, args: readonly string[]): void {
    this.#start(name, [mainFile, ...args]);
  }

  /** Starts the process that writes to the sample's database; returns how to end it. */
  startWriter(file: string): () => Promise<void> {
    const running = this.#start('ledger-writer', [writerFile, file]);
    return () => this.#end(running);
  }

  /** Runs a verb to its end, with the API and token of our replica. */
  run(args: readonly string[]): Promise<CommandAnswer> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [mainFile, ...args], {
        env: { ...process.env, AFTERIMAGE_DATA: this.dataFolder },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let out = '';
      let err = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
      child.on('error', reject);
      child.on('close', (code) => {
        resolve({ code: code ?? 1, out, err });
      });
    });
  }

  /** Polls until `ready` holds. Throws `timed-out`, naming what was waited for. */
  async until(
    what: string,
    ready: () => boolean | Promise<boolean>,
    timeoutMs: number,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await ready())) {
      this.#requireRunning();
      if (performance.now() > deadline) {
        throw new AfterimageError(
          'timed-out',
          `${what} took more than ${timeoutMs / 1000} s; logs are in ${this.#folder}`,
        );
      }
      await delay(POLL_MS);
    }
  }

  /** Ends everything, the last started first. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (let running = this.#running.pop(); running !== undefined; running = this.#running.pop()) {
      await this.#end(running);
    }
  }

  /** Whoever goes on after `stop` must start nothing that nobody would end. */
  #requireRunning(): void {
    if (this.#stopping) throw new AfterimageError('cancelled', 'everything was stopped');
  }

  #start(name: string, args: readonly string[]): Running {
    this.#requireRunning();
    const log = path.join(this.#folder, `${name}.log`);
    const fd = fs.openSync(log, 'a');
    const child = spawn(process.execPath, [...args], { stdio: ['pipe', fd, fd], detached: true });
    fs.closeSync(fd);
    const running = { name, child, log };
    child.on('exit', (code, signal) => {
      if (this.#stopping || !this.#running.includes(running)) return;
      process.stderr.write(
        `${name} ended by itself (${code ?? signal ?? 'no code'}):\n${lastLines(log)}\n`,
      );
      process.kill(process.pid, 'SIGTERM');
    });
    this.#running.push(running);
    return running;
  }

  async #end(running: Running): Promise<void> {
    const at = this.#running.indexOf(running);
    if (at >= 0) this.#running.splice(at, 1);
    const { child } = running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.stdin?.end();
    if (running.name !== 'ledger-writer') child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  }
}

function lastLines(file: string): string {
  return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n');
}
