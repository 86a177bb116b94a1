/**
 * The product as it is installed: replica with its own broker, and agent, as processes of dist/, in a
 * temporary folder of their own. `close` stops everything and removes the folder, always.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { runCommandLine } from '../../../cli/program.js';
import { TOKEN_FILE, URL_FILE } from '../../../shared/api/address.js';
import { type SyncAnswer, syncAnswerSchema } from '../../../shared/api/actions.js';
import {
  type PointDetail,
  pointDetailSchema,
  type PointJson,
  pointsSchema,
} from '../../../shared/api/points.js';
import { type StatusAnswer, statusSchema } from '../../../shared/api/status.js';

/** Tests run from their sources, fault campaigns from dist/. */
const built = import.meta.url.includes('/dist/test/') ? '../../../cli/' : '../../../dist/cli/';
/** The built command line. */
export const mainFile = fileURLToPath(new URL(`${built}main.js`, import.meta.url));
const PATIENCE_MS = 60_000;
const SYNC_MS_MAX = 240_000;
const POLL_MS = 25;
const LOG_LINES_SHOWN = 40;

export type Role = 'replica' | 'agent' | 'broker';

/** A set as the agent's configuration writes it; any further key of it may be given. */
export interface ProductSet {
  readonly name: string;
  readonly roots: readonly (string | { readonly path: string; readonly name: string })[];
  /** When left out, a sync happens only when the agent starts and when it is asked for. */
  readonly schedule?: unknown;
  readonly [key: string]: unknown;
}

export interface ProductOptions {
  /** Given the product's folder, so that roots can lie in it. */
  readonly sets: (folder: string) => readonly ProductSet[];
  /** Further keys of the agent's configuration. */
  readonly agent?: Readonly<Record<string, unknown>>;
  /** Further keys of the replica's configuration. */
  readonly replica?: Readonly<Record<string, unknown>>;
  /** `memory`: in a file system in memory where there is one, for trees that a disk removes slowly. */
  readonly storage?: 'disk' | 'memory';
  /** `false`: enrolled and configured, but not started. */
  readonly startAgent?: boolean;
  /** Further environment of a process, given the product's folder. */
  readonly env?: (
    role: 'replica' | 'agent',
    folder: string,
  ) => Readonly<Record<string, string>> | undefined;
}

export interface Answer {
  /** 128 + signal when a signal ended it. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The output as bytes. */
  readonly bytes: Buffer;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts replica, broker and agent; resolves when every set's agent is connected. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  const parent = options.storage === 'memory' ? inMemory() : os.tmpdir();
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(parent, 'afterimage-system-')));
  const product = new Product(folder, options);
  try {
    await product.startReplica();
    await product.ok([
      'enroll',
      'local',
      '--config',
      product.replicaFile,
      '--out',
      product.enrolment,
    ]);
    if (options.startAgent !== false) await product.startAgent();
    return product;
  } catch (error) {
    await product.close();
    throw error;
  }
}

export class Product {
  readonly folder: string;
  readonly replicaData: string;
  readonly agentData: string;
  readonly replicaFile: string;
  readonly agentFile: string;
  readonly enrolment: string;
  readonly #sets: readonly ProductSet[];
  readonly #env: ProductOptions['env'];
  readonly #running = new Map<'replica' | 'agent', ChildProcess>();

  /** Use `startProduct`. Writes the configurations. */
  constructor(folder: string, options: ProductOptions) {
    const at = (name: string): string => path.join(folder, name);
    this.folder = folder;
    this.replicaData = at('replica');
    this.agentData = at('agent');
    this.replicaFile = at('replica.yaml');
    this.agentFile = at('agent.yaml');
    this.enrolment = at('enrolment.json');
    this.#env = options.env;
    this.#sets = options.sets(folder).map((set) => ({ schedule: { cron: '0 0 1 1 *' }, ...set }));
    fs.writeFileSync(
      this.replicaFile,
      stringify({
        data_folder: this.replicaData,
        listen: '127.0.0.1:0',
        broker: { listen: '127.0.0.1:0' },
        quotas: { free_bytes_min: '16 MiB' },
        ...options.replica,
      }),
    );
    fs.writeFileSync(
      this.agentFile,
      stringify({
        data_folder: this.agentData,
        enrolment: this.enrolment,
        ...options.agent,
        sets: this.#sets,
      }),
    );
    process.once('exit', this.#killAll);
  }

  /** Of a running process; undefined when it does not run. */
  pid(role: Role): number | undefined {
    if (role !== 'broker') {
      const child = this.#running.get(role);
      return child !== undefined && runs(child) ? child.pid : undefined;
    }
    const pid = Number(readIfThere(path.join(this.replicaData, 'broker', 'broker.pid')));
    return pid > 1 && readIfThere(`/proc/${pid}/cmdline`).includes(this.folder) ? pid : undefined;
  }

  /** Resident memory of a running process, in bytes. */
  rssBytes(role: Role): number {
    const status = readIfThere(`/proc/${this.pid(role) ?? 0}/status`);
    return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Everything that a process printed since the product was made. */
  log(role: 'replica' | 'agent'): string {
    return readIfThere(this.#logFile(role));
  }

  /** Resolves when the API answers. */
  async startReplica(): Promise<void> {
    const urlFile = path.join(this.replicaData, URL_FILE);
    fs.rmSync(urlFile, { force: true });
    const child = this.#serve('replica', ['replica', '--config', this.replicaFile]);
    await this.until('the replica serves', () => {
      if (!runs(child)) throw new Error('the replica ended while starting');
      return fs.existsSync(urlFile);
    });
  }

  /** Resolves when every set is connected, or at once for an agent that will be refused. */
  async startAgent(expected: 'connected' | 'refused' = 'connected'): Promise<void> {
    const child = this.#serve('agent', ['agent', '--config', this.agentFile]);
    if (expected === 'refused') return;
    await this.until('the agent is connected', () => {
      if (!runs(child)) throw new Error('the agent ended while starting');
      return this.connected();
    });
  }

  /** Whether the replica knows every set's agent as connected. */
  async connected(): Promise<boolean> {
    const { sets } = await this.status();
    const live = sets.filter(({ agentConnected }) => agentConnected);
    return this.#sets.every(({ name }) => live.some(({ set }) => set === name));
  }

  /** Sends a signal; resolves when the process is gone. */
  async kill(role: Role, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const pid = this.pid(role);
    if (pid === undefined) throw new Error(`the ${role} does not run`);
    process.kill(pid, signal);
    await this.until(`the ${role} is gone`, () => this.pid(role) !== pid);
  }

  /** Runs a verb to its end against our replica. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [mainFile, ...args], {
        env: { ...process.env, AFTERIMAGE_DATA: this.replicaData, ...options.env },
        cwd: options.cwd ?? this.folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
      child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
      child.on('error', reject);
      child.on('close', (code, signal) => {
        const bytes = Buffer.concat(out);
        resolve({
          code: code ?? 128 + os.constants.signals[signal ?? 'SIGKILL'],
          out: bytes.toString('utf8'),
          err: Buffer.concat(err).toString('utf8'),
          bytes,
        });
      });
    });
  }

  /** `run` that must end with one of `codes`, 0 when none is named. */
  async ok(args: readonly string[], codes: readonly number[] = [0]): Promise<Answer> {
    const answer = await this.run(args);
    if (codes.includes(answer.code)) return answer;
    throw new Error(
      `afterimage ${args.join(' ')} ended with ${answer.code}: ${answer.err}${answer.out.slice(-4000)}\n${this.#lastLines()}`,
    );
  }

  /** The objects, one a line, that a verb prints with --json; it must end with one of `codes`. */
  async json(args: readonly string[], codes?: readonly number[]): Promise<unknown[]> {
    const { out } = await this.ok([...args, '--json'], codes);
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line));
  }

  /** Asks for a sync and waits for it; the point it became. */
  async sync(set: string): Promise<number> {
    const { point } = await this.syncAnswer(set);
    if (point === null) throw new Error('a sync that was waited for has no point');
    return point.point;
  }

  /** Asks the API itself; a sync through the command line is `run(['sync', set, '--wait'])`. */
  async syncAnswer(set: string): Promise<SyncAnswer> {
    return syncAnswerSchema.parse(await this.api(`/v1/sets/${set}/sync`, { waitMs: SYNC_MS_MAX }));
  }

  /** A point with its outcome, as the API tells it. */
  async pointDetail(set: string, point: number): Promise<PointDetail> {
    return pointDetailSchema.parse(await this.api(`/v1/sets/${set}/points/${point}`));
  }

  /** Oldest first. Asks the API itself, so that it can be asked often. */
  async points(set: string): Promise<PointJson[]> {
    return pointsSchema.parse(await this.api(`/v1/sets/${set}/points`)).points;
  }

  /** Asks the API itself, so that it can be asked often. */
  async status(): Promise<StatusAnswer> {
    return statusSchema.parse(await this.api('/v1/status'));
  }

  /** What the API answers to a GET, or to a POST of `body`, with our token. */
  async api(route: string, body?: object): Promise<unknown> {
    const at = (name: string): string =>
      fs.readFileSync(path.join(this.replicaData, name), 'utf8').trim();
    const answer = await fetch(`${at(URL_FILE)}${route}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${at(TOKEN_FILE)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /**
   * Restores a point into a new folder of our own; the folder of the root named `root`. The command
   * line runs in this process, to spare the start of one for each of many points.
   */
  async restore(set: string, point: number, root: string): Promise<string> {
    const parent = fs.mkdtempSync(path.join(this.folder, 'restored-'));
    let said = '';
    const code = await runCommandLine(['restore', `${set}@${point}`, '--to', parent], {
      env: { AFTERIMAGE_DATA: this.replicaData },
      folder: this.folder,
      out: () => Promise.resolve(),
      outClosed: false,
      err: (text) => {
        said += text;
      },
      errIsTerminal: false,
      columns: 100,
      signal: new AbortController().signal,
    });
    if (code === 0) return path.join(parent, root);
    throw new Error(`restoring ${set}@${point} ended with ${code}: ${said}\n${this.#lastLines()}`);
  }

  /** Polls until `holds`; fails, with what the processes said, when it does not in time. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    try {
      while (!(await holds())) {
        if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
        await sleep(POLL_MS);
      }
    } catch (cause) {
      throw new Error(`waiting until ${what}\n${this.#lastLines()}`, { cause });
    }
  }

  /** Stops everything, in order and then by force, and removes the folder. */
  async close(): Promise<void> {
    try {
      for (const role of ['agent', 'replica'] as const) {
        if (this.pid(role) !== undefined) await this.kill(role, 'SIGTERM');
      }
    } finally {
      this.#killAll();
      process.off('exit', this.#killAll);
      // rm enters folder by folder, so that paths longer than PATH_MAX go too
      spawnSync('rm', ['-rf', '--', this.folder]);
    }
  }

  #serve(role: 'replica' | 'agent', args: readonly string[]): ChildProcess {
    const fd = fs.openSync(this.#logFile(role), 'a');
    const child = spawn(process.execPath, [mainFile, ...args], {
      cwd: this.folder,
      env: { ...process.env, ...this.#env?.(role, this.folder) },
      stdio: ['ignore', fd, fd],
    });
    fs.closeSync(fd);
    this.#running.set(role, child);
    return child;
  }

  readonly #killAll = (): void => {
    for (const role of ['agent', 'replica', 'broker'] as const) {
      const pid = this.pid(role);
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    }
  };

  #logFile(role: 'replica' | 'agent'): string {
    return path.join(this.folder, `${role}.log`);
  }

  #lastLines(): string {
    const tail = (role: 'replica' | 'agent'): string =>
      this.log(role).trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n');
    return `replica says:\n${tail('replica')}\nagent says:\n${tail('agent')}`;
  }
}

function inMemory(): string {
  try {
    fs.accessSync('/dev/shm', fs.constants.W_OK);
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
}

function runs(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function readIfThere(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
