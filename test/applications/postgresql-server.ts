/** PostgreSQL under pgbench and a ledger; judged by its sums, its ledger and pg_amcheck. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { type ClientSession, openSession } from '../../agent/quiesce/client-session.js';
import {
  type DatabaseKind,
  type DatabaseServer,
  expectAnswer,
  Ledger,
  makeHome,
  run,
  ServerProcess,
} from './database-server.js';

const BINARIES = ['/usr/lib/postgresql/15/bin', '/usr/lib/postgresql/16/bin', '/usr/bin'];
const PORT = 5432;
const never = new AbortController().signal;

/** Where the programs are; undefined when they are not installed. */
const binaries = BINARIES.find((folder) => fs.existsSync(path.join(folder, 'initdb')));
const program = (name: string): string => path.join(binaries ?? '', name);

export interface Postgres extends DatabaseServer {
  /** Lines that a statement answers. */
  sql(statement: string): Promise<string[]>;
}

export interface PostgresLoad {
  readonly scale: number;
  readonly clients: number;
  /** Transactions a second; as many as it can when undefined. */
  readonly rate?: number;
}

const USUAL: PostgresLoad = { scale: 2, clients: 2, rate: 300 };

export const postgresql: DatabaseKind = {
  name: 'postgresql',
  missing,
  create: (root) => createPostgres(root),
  open: (root) => new PostgresServer(root, USUAL, 'copy'),
};

/** The same, read while it goes on. */
export const postgresqlBackup: DatabaseKind = {
  ...postgresql,
  name: 'postgresql in backup mode',
  create: async (root) => {
    const server = await createPostgres(root);
    server.quiesce['mode'] = 'backup';
    return server;
  },
};

function missing(): string | undefined {
  if (binaries === undefined) return 'PostgreSQL is not installed';
  if (!fs.existsSync(program('pg_amcheck'))) return 'pg_amcheck is not installed';
  if (process.getuid?.() !== 0) return undefined;
  try {
    serverUser();
    return undefined;
  } catch {
    return 'run as root, and there is no user postgres for the server';
  }
}

/** The server refuses to run as root. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (option: string): number => Number(execFileSync('id', [option, 'postgres']));
  return { uid: id('-u'), gid: id('-g') };
}

export async function createPostgres(
  root: string,
  load: PostgresLoad = USUAL,
): Promise<PostgresServer> {
  const user = serverUser();
  fs.mkdirSync(root, { mode: 0o700 });
  if (user !== undefined) fs.chownSync(root, user.uid, user.gid);
  const args = ['-D', root, '-U', 'postgres', '-A', 'trust', '--no-sync', '--no-locale'];
  await run(program('initdb'), args, user);
  return new PostgresServer(root, load);
}

class PostgresServer implements Postgres {
  readonly root: string;
  readonly set = { exclude: ['/postmaster.pid'] };
  readonly quiesce: Record<string, unknown>;
  readonly #home = makeHome('pg');
  readonly #load: PostgresLoad;
  readonly #isCopy: boolean;
  #server: ServerProcess | undefined;
  #ledger: Ledger | undefined;
  #bench: ChildProcess | undefined;

  constructor(root: string, load: PostgresLoad, what: 'original' | 'copy' = 'original') {
    this.root = root;
    this.#isCopy = what === 'copy';
    this.#load = load;
    this.quiesce = {
      recipe: 'postgresql',
      program: program('psql'),
      host: this.#home,
      port: PORT,
      user: 'postgres',
    };
    const user = serverUser();
    if (user !== undefined) fs.chownSync(this.#home, user.uid, user.gid);
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  get acknowledged(): number {
    return this.#ledger?.acknowledged ?? 0;
  }

  async start(): Promise<void> {
    const settings = ['listen_addresses=', 'max_connections=40', 'shared_buffers=64MB'];
    // One that is killed leaves its segments in /dev/shm for good: those of a copy lie in its folder.
    if (this.#isCopy) settings.push('dynamic_shared_memory_type=mmap');
    this.#server = new ServerProcess(
      program('postgres'),
      ['-D', this.root, '-k', this.#home, ...settings.flatMap((setting) => ['-c', setting])],
      { log: path.join(this.#home, 'log'), ...serverUser() },
    );
    await this.#server.until(() => this.sql('SELECT 1'));
  }

  async load(): Promise<void> {
    await this.sql(
      'CREATE TABLE ledger (n bigint PRIMARY KEY); CREATE EXTENSION IF NOT EXISTS amcheck',
    );
    const { scale, clients, rate } = this.#load;
    await run(program('pgbench'), [...this.#place(), '-q', '-i', '-s', String(scale), 'postgres']);
    const rated = rate === undefined ? [] : ['-R', String(rate)];
    const args = ['-n', '-c', String(clients), '-T', '100000', ...rated, 'postgres'];
    this.#bench = spawn(program('pgbench'), [...this.#place(), ...args], { stdio: 'ignore' });
    this.#ledger = new Ledger(this.#session(), (n) => `INSERT INTO ledger VALUES (${n})`);
    this.#ledger.start();
    await this.goesOn(20);
  }

  async goesOn(writes: number): Promise<void> {
    if (this.#ledger === undefined) throw new Error('nothing is written');
    await this.#ledger.goesOn(writes);
  }

  async check(acknowledged: number): Promise<void> {
    const sums = `SELECT (SELECT sum(abalance) FROM pgbench_accounts) = h.sum
      AND (SELECT sum(bbalance) FROM pgbench_branches) = h.sum
      AND (SELECT sum(tbalance) FROM pgbench_tellers) = h.sum
      FROM (SELECT coalesce(sum(delta), 0) AS sum FROM pgbench_history) AS h`;
    expectAnswer('the sums agree', await this.sql(sums), 't');
    const ledger = `SELECT count(*) = max(n) AND max(n) >= ${acknowledged} FROM ledger`;
    expectAnswer(`the first ${acknowledged} are there`, await this.sql(ledger), 't');
    await run(program('pg_amcheck'), [...this.#place(), '--heapallindexed', 'postgres']);
  }

  async sql(statement: string): Promise<string[]> {
    const session = this.#session();
    try {
      return await session.ask(statement, never);
    } finally {
      session.close();
    }
  }

  async stop(how: 'orderly' | 'kill' = 'orderly'): Promise<void> {
    if (this.#bench?.exitCode === null && this.#bench.signalCode === null) {
      const gone = once(this.#bench, 'exit');
      this.#bench.kill('SIGKILL');
      await gone;
    }
    const stopped = this.#server?.stop(how === 'kill' ? 'SIGKILL' : 'SIGINT');
    await this.#ledger?.stop();
    await stopped;
    fs.rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }

  #session(): ClientSession {
    return openSession({
      program: program('psql'),
      args: ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', ...this.#place(), 'postgres'],
      env: {},
      runAs: undefined,
      frame: (command, mark) => `${command};\nSELECT '${mark}';\n`,
    });
  }

  #place(): string[] {
    return ['-h', this.#home, '-p', String(PORT), '-U', 'postgres'];
  }
}
