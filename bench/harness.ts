/**
 * The product as an operator runs it: replica (with its broker) and agent as processes of the built
 * command line, and the replica's API to ask.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { stringify } from 'yaml';
import { ApiClient, setPath } from '../cli/api-client.js';
import { syncAnswerSchema } from '../shared/api/actions.js';
import { TOKEN_FILE, URL_FILE } from '../shared/api/address.js';
import { type PointDetail, pointDetailSchema } from '../shared/api/points.js';
import { statusSchema } from '../shared/api/status.js';
import { statSchema } from '../shared/api/tree.js';
import { AfterimageError } from '../shared/errors.js';
import type { CopierOptions } from './copier.js';
import { costOf, freePort, MeasuredProcess, type ProcessCost } from './process.js';
import { digestTree } from './trees/tree-digest.js';

const mainFile = fileURLToPath(new URL('../cli/main.js', import.meta.url));
export const SET = 'bench';
const POINT = `${SET}@latest`;
const READY_MS = 180_000;
const SYNC_MS = 1_800_000;
/** So seldom that every sync of a measurement is one that was asked for. */
const SELDOM = '7d';

type Keys = Readonly<Record<string, unknown>>;

export interface ProductOptions extends CopierOptions {
  readonly schedule: 'continuous' | 'asked';
  /** Further keys of the set in the agent's configuration. */
  readonly set?: Keys;
  /** Further keys of the agent's configuration. */
  readonly agent?: Keys;
  readonly replica?: Keys;
  /** In front of the agent's command, to run it elsewhere or with less rights. */
  readonly before?: { readonly agent?: readonly string[]; readonly replica?: readonly string[] };
  /** Where Node writes what agent and replica spent their time on, when they end. */
  readonly cpuProfiles?: string;
  /** The replica as the agent reaches it; loopback unless told. */
  readonly host?: string;
}

/** One run, from being asked until the point exists. */
export interface CopyRun {
  readonly ms: number;
  /** By the agent; undefined when nobody tells. */
  readonly sentBytes: number | undefined;
}

/** Costs of the three processes since they started. */
export interface ProductCosts {
  readonly agent: ProcessCost;
  readonly replica: ProcessCost;
  readonly broker: ProcessCost;
}

export class Product {
  readonly #options: ProductOptions;
  readonly #replica: MeasuredProcess;
  readonly #api: ApiClient;
  #agent: MeasuredProcess | undefined;

  private constructor(options: ProductOptions, replica: MeasuredProcess) {
    this.#options = options;
    this.#replica = replica;
    this.#api = new ApiClient(this.api, new AbortController().signal);
  }

  /** Replica and broker run and the agent is enrolled; it starts with the first copy. */
  static async start(options: ProductOptions): Promise<Product> {
    const { folder } = options;
    mkdirSync(folder, { recursive: true });
    await writeConfigs(options);
    runVerb(['enroll', 'bench', ...configOf(folder, 'replica'), '--out', enrolmentOf(folder)]);
    const replica = serve(options, 'replica');
    try {
      const urlFile = join(folder, 'replica', URL_FILE);
      // Made before it is written.
      await replica.until(
        () => (existsSync(urlFile) && statSync(urlFile).size > 0) || undefined,
        READY_MS,
      );
      return new Product(options, replica);
    } catch (error) {
      await replica.stop();
      throw error;
    }
  }

  /** The first one is from the start of the agent to its point; the others from asking to theirs. */
  async copy(): Promise<CopyRun> {
    const before = this.#agent?.sentBytes() ?? 0;
    const start = performance.now();
    const agent = await this.#sync();
    const ms = performance.now() - start;
    const sent = agent.sentBytes();
    const told = (await this.#newest())?.outcome.counts.bytesSent;
    return { ms, sentBytes: sent === undefined ? told : sent - before };
  }

  /** Brings a point about, starting the agent when it does not run. */
  async sync(): Promise<void> {
    await this.#sync();
  }

  async #sync(): Promise<MeasuredProcess> {
    if (this.#agent !== undefined) {
      const body = { waitMs: SYNC_MS };
      const asked = { path: setPath(SET, 'sync'), body, headersTimeoutMs: 0 };
      await this.#api.json(syncAnswerSchema, asked);
      return this.#agent;
    }
    const told = new AbortController();
    const isCut = await this.#listenForPoint(told.signal);
    const agent = serve(this.#options, 'agent');
    this.#agent = agent;
    try {
      await agent.until(async () => (isCut() ? await this.#newest() : undefined), SYNC_MS);
    } finally {
      told.abort();
    }
    return agent;
  }

  digest(): Promise<string> {
    const base = join(this.#dataFolder, 'sets', SET, 'base', basename(this.#options.root));
    return Promise.resolve(digestTree(base, { metadata: 'without' }));
  }

  /** What a restore of the newest point into a new folder gives, metadata included. */
  restoredDigest(): string {
    const target = join(
      this.#options.folder,
      `restored-${readdirSync(this.#options.folder).length}`,
    );
    runVerb(['restore', POINT, '--to', target], this.#dataFolder);
    return digestTree(join(target, basename(this.#options.root)), { metadata: 'with' });
  }

  /** A file's path below the root. */
  inRoot(path: string): string {
    return relative(this.#options.root, path);
  }

  /** Size of a file of the root in the newest point; undefined while there is none. */
  async sizeOf(path: string): Promise<number | undefined> {
    const query = { path: `${basename(this.#options.root)}/${path}` };
    return await ifFound(async () => {
      const asked = { path: setPath(SET, 'points', 'latest', 'stat'), query };
      return (await this.#api.json(statSchema, asked)).entry.size;
    });
  }

  /** How the newest point came to be; undefined while there is none. */
  async outcome(): Promise<PointDetail['outcome'] | undefined> {
    return (await this.#newest())?.outcome;
  }

  costs(): ProductCosts {
    if (this.#agent === undefined) throw new Error('the agent was not started');
    return {
      agent: this.#agent.cost(),
      replica: this.#replica.cost(),
      broker: costOf(childOf(this.#replica.pid)),
    };
  }

  /** Those that run, by name. */
  processes(): ReadonlyMap<string, number> {
    const { pid } = this.#replica;
    const agent: [string, number][] = this.#agent === undefined ? [] : [['agent', this.#agent.pid]];
    return new Map([...agent, ['replica', pid], ['broker', childOf(pid)]]);
  }

  /** Address and token of the replica's API. */
  get api(): { readonly url: string; readonly token: string } {
    return {
      url: readText(this.#dataFolder, URL_FILE),
      token: readText(this.#dataFolder, TOKEN_FILE),
    };
  }

  get apiClient(): ApiClient {
    return this.#api;
  }

  /** The command line of a verb that talks to this replica, and its environment. */
  verb(args: readonly string[]): {
    readonly command: readonly string[];
    readonly env: NodeJS.ProcessEnv;
  } {
    return {
      command: [process.execPath, mainFile, ...args],
      env: { ...process.env, AFTERIMAGE_DATA: this.#dataFolder },
    };
  }

  /** Of the agent, which the first copy started. */
  get agentPid(): number {
    if (this.#agent === undefined) throw new Error('the agent was not started');
    return this.#agent.pid;
  }

  /** The next copy starts it again. */
  async stopAgent(): Promise<void> {
    await this.#agent?.stop();
    this.#agent = undefined;
  }

  /** Starts a stopped agent; it compares everything with what it knew. Resolves once it is connected. */
  async startAgent(): Promise<void> {
    const agent = serve(this.#options, 'agent');
    this.#agent = agent;
    await agent.until(async () => {
      const { sets } = await this.#api.json(statusSchema, { path: '/v1/status' });
      return sets.some(({ agentConnected }) => agentConnected) || undefined;
    }, READY_MS);
  }

  /** From now on the set follows its files by itself. */
  async follow(): Promise<void> {
    await this.stopAgent();
    writeAgentConfig({ ...this.#options, schedule: 'continuous' });
    await this.startAgent();
  }

  async stop(): Promise<void> {
    await this.#api.close();
    await this.#agent?.stop();
    await this.#replica.stop();
  }

  /** Where the replica keeps everything. */
  get storeFolder(): string {
    return this.#dataFolder;
  }

  get #dataFolder(): string {
    return join(this.#options.folder, 'replica');
  }

  /**
   * Whether there is a point, without asking again and again: what answers costs the replica a tenth
   * of its time while it takes a first copy.
   */
  async #listenForPoint(signal: AbortSignal): Promise<() => boolean> {
    if ((await this.#newest()) !== undefined) return () => true;
    const { url, token } = this.api;
    const answer = await request(`${url}/v1/events?types=point`, {
      headers: { authorization: `Bearer ${token}` },
      bodyTimeout: 0,
      signal,
    });
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} for events`);
    let told = '';
    answer.body.setEncoding('utf8');
    answer.body.on('data', (text: string) => (told += text));
    answer.body.on('error', (error: Error) => {
      if (!signal.aborted) throw error;
    });
    return () => /^event: point$/m.test(told);
  }

  async #newest(): Promise<PointDetail | undefined> {
    const path = setPath(SET, 'points', 'latest');
    return await ifFound(() => this.#api.json(pointDetailSchema, { path }));
  }
}

function readText(folder: string, file: string): string {
  return readFileSync(join(folder, file), 'utf8').trim();
}

async function ifFound<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The agent's set has one root, named as its folder is. */
async function writeConfigs(options: ProductOptions): Promise<void> {
  const { folder, host = '127.0.0.1' } = options;
  const broker = `${host}:${await freePort()}`;
  const replica = {
    data_folder: 'replica',
    listen: '127.0.0.1:0',
    broker: { listen: broker },
    quotas: { free_bytes_min: '64 MiB' },
    ...options.replica,
  };
  writeFileSync(join(folder, 'replica.yaml'), stringify(replica));
  writeAgentConfig(options);
}

function writeAgentConfig(options: ProductOptions): void {
  const { folder, sourceFolder, root, schedule, set, agent: keys } = options;
  const agent = {
    data_folder: sourceFolder ?? 'agent',
    enrolment: enrolmentOf(folder),
    ...keys,
    sets: [
      {
        name: SET,
        roots: [root],
        schedule: schedule === 'continuous' ? schedule : { every: SELDOM },
        ...(schedule === 'continuous' ? {} : { capture: { source: 'scan', scan_every: SELDOM } }),
        ...set,
      },
    ],
  };
  writeFileSync(join(folder, 'agent.yaml'), stringify(agent));
}

function configOf(folder: string, verb: string): readonly string[] {
  return ['--config', join(folder, `${verb}.yaml`)];
}

function enrolmentOf(folder: string): string {
  return join(folder, 'enrolment.json');
}

function serve(
  { folder, before = {}, cpuProfiles }: ProductOptions,
  verb: 'agent' | 'replica',
): MeasuredProcess {
  const profile = ['--cpu-prof', '--cpu-prof-dir', cpuProfiles ?? '', '--cpu-prof-name'];
  const flags = cpuProfiles === undefined ? [] : [...profile, `${verb}.cpuprofile`];
  const own = [process.execPath, ...flags, mainFile, verb, ...configOf(folder, verb)];
  const [command = '', ...args] = [...(before[verb] ?? []), ...own];
  return new MeasuredProcess({ name: verb, command, args, folder });
}

/** Runs a verb to its end. Throws with what it printed when it fails. */
function runVerb(args: readonly string[], dataFolder?: string): void {
  const env = dataFolder === undefined ? {} : { AFTERIMAGE_DATA: dataFolder };
  try {
    execFileSync(process.execPath, [mainFile, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
  } catch (cause) {
    const said = (cause as { readonly stderr?: string }).stderr ?? '';
    throw new AfterimageError('internal', `${args.join(' ')} failed: ${said.trim()}`, { cause });
  }
}

/** The one child of a process. */
function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return Number(children.split(' ')[0]);
}
