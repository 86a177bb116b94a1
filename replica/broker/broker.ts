/**
 * Runs a nats-server as a child: writes its configuration, waits until it answers, starts it again
 * when it dies, and makes it read its users anew without dropping connections.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, createConnection } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { AfterimageError, errnoOf, messageOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { type BrokerUsers, brokerConfigText } from './broker-config.js';

export interface StartBrokerOptions {
  /** The nats-server to run: see `locateBroker`. */
  readonly binary: string;
  /** For its configuration, pid and log; made when missing. */
  readonly folder: string;
  /** Address to listen on; loopback unless told. */
  readonly host?: string;
  /** 0 for a free one, which is then kept for later starts from the same folder. */
  readonly port: number;
  readonly users: BrokerUsers;
  readonly log: Log;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

export interface Broker {
  /** For clients on this machine. */
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now; undefined while it is started again. */
  readonly pid: number | undefined;
  /** Puts other users in force. Throws `broker-unreachable` when the broker refuses them. */
  reload(users: BrokerUsers): Promise<void>;
  stop(): Promise<void>;
}

const READY_MS = 10_000;
const STOP_MS = 5000;
const POLL_MS = 15;
const RESTART_MS = [100, 2000] as const;
/** A broker that ran for so long was up: the next wait is a short one again. */
const STEADY_MS = 1000;

/** Throws `broker-unreachable` when it does not come up. */
export async function startBroker(options: StartBrokerOptions): Promise<Broker> {
  const { folder } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await stopLeftBehind(folder);
  const host = options.host ?? '127.0.0.1';
  const port = options.port === 0 ? await keptPort(folder, host) : options.port;
  const broker = new ChildBroker({ ...options, host, port });
  await broker.start();
  return broker;
}

class ChildBroker implements Broker {
  readonly url: string;
  readonly port: number;
  readonly #options: StartBrokerOptions & { readonly host: string };
  #child: ChildProcess | undefined;
  #stopping = false;
  #restartMs: number = RESTART_MS[0];

  constructor(options: StartBrokerOptions & { readonly host: string }) {
    this.#options = options;
    this.port = options.port;
    const { host } = options;
    const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    this.url = `${options.tls === undefined ? 'nats' : 'tls'}://${reachable}:${options.port}`;
  }

  get pid(): number | undefined {
    return this.#child !== undefined && runs(this.#child) ? this.#child.pid : undefined;
  }

  async start(): Promise<void> {
    this.#writeConfig(this.#options.users);
    const child = this.#spawn();
    await this.#untilReady(child);
    this.#restartMs = RESTART_MS[0];
  }

  async reload(users: BrokerUsers): Promise<void> {
    this.#writeConfig(users);
    const child = this.#child;
    // one that is being started again reads the new file anyway
    if (child === undefined || !runs(child)) return;
    const from = logLength(this.#path('broker.log'));
    child.kill('SIGHUP');
    await pollUntil(READY_MS, () => {
      const said = readFileSync(this.#path('broker.log')).subarray(from).toString('latin1');
      if (said.includes('Failed to reload')) {
        throw new AfterimageError('broker-unreachable', `the broker keeps its users: ${said}`);
      }
      return said.includes('Reloaded server configuration') || !runs(child);
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined || !runs(child)) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }

  #writeConfig(users: BrokerUsers): void {
    const { host, tls } = this.#options;
    const text = brokerConfigText({
      host,
      port: this.port,
      users,
      pidFile: this.#path('broker.pid'),
      logFile: this.#path('broker.log'),
      ...(tls === undefined ? {} : { tls }),
    });
    writeFileSync(this.#path('broker.conf.new'), text, { mode: 0o600 });
    renameSync(this.#path('broker.conf.new'), this.#path('broker.conf'));
  }

  #spawn(): ChildProcess {
    const child = spawn(this.#options.binary, ['--config', this.#path('broker.conf')], {
      env: { GOMAXPROCS: String(brokerThreads()), ...process.env },
      // its own group: an interrupt at the terminal is for the replica, which stops it in order
      detached: true,
      stdio: 'ignore',
    });
    this.#child = child;
    const startedMs = performance.now();
    child.once('error', (error) => {
      this.#options.log.error('the broker cannot be started', error);
    });
    child.once('exit', (code, signal) => {
      if (this.#stopping) return;
      // That something answers on its port says little: it may be another broker, which keeps it out.
      if (performance.now() - startedMs >= STEADY_MS) this.#restartMs = RESTART_MS[0];
      this.#options.log.warn('the broker ended; it is started again', { code, signal });
      setTimeout(() => {
        this.#startAgain();
      }, this.#restartMs);
      this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS[1]);
    });
    return child;
  }

  #startAgain(): void {
    if (this.#stopping) return;
    const child = this.#spawn();
    this.#untilReady(child).catch((error: unknown) => {
      this.#options.log.error('the broker does not come up', error);
    });
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    let failure: unknown;
    child.once('error', (error) => {
      failure = error;
    });
    const ready = await pollUntil(READY_MS, async () => {
      if (failure !== undefined || !runs(child)) return true;
      return answers(this.#options.host, this.port);
    });
    if (ready && failure === undefined && runs(child)) return;
    const said = tail(this.#path('broker.log'));
    throw new AfterimageError('broker-unreachable', `the broker does not come up: ${said}`, {
      cause: failure,
      facts: { port: this.port },
    });
  }
}

/** Half the processors: more threads look for work so often that a third of the broker's CPU goes there. */
function brokerThreads(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2));
}

function runs(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** True when a NATS broker greets there. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => {
      finish(false);
    });
    socket.once('error', () => {
      finish(false);
    });
    socket.once('data', (bytes) => {
      finish(bytes.toString('latin1').startsWith('INFO '));
    });
  });
}

/** The port this folder had before, else a free one, which it keeps. */
async function keptPort(folder: string, host: string): Promise<number> {
  const path = join(folder, 'port');
  const kept = Number(readIfThere(path));
  if (Number.isInteger(kept) && kept > 0) return kept;
  const port = await new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  });
  writeFileSync(path, `${port}\n`, { mode: 0o600 });
  return port;
}

/** Ends a broker of this folder whose replica was killed; nobody else's. */
async function stopLeftBehind(folder: string): Promise<void> {
  const pid = Number(readIfThere(join(folder, 'broker.pid')));
  if (!Number.isInteger(pid) || pid <= 1) return;
  const isOurs = (): boolean =>
    readIfThere(`/proc/${pid}/cmdline`).split('\0').includes(join(folder, 'broker.conf'));
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isOurs()) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error;
    }
    await pollUntil(STOP_MS, () => !isOurs());
  }
}

/** Resolves true when `holds` does, false after `timeoutMs`. */
async function pollUntil(
  timeoutMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

function logLength(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

function tail(path: string): string {
  const lines = readIfThere(path).trim().split('\n');
  return lines.slice(-3).join(' | ');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw new AfterimageError('storage-failed', messageOf(error), { cause: error });
  }
}
