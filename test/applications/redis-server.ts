/** Redis under redis-benchmark and a ledger of MULTI; judged by its own checkers and its pairs. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
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

const PROGRAMS = ['redis-server', 'redis-cli', 'redis-benchmark', 'redis-check-aof'];
const PASSWORD = 'not a secret';
const never = new AbortController().signal;

type Persistence = 'aof' | 'rdb';

export const redisLog = kindOf('aof');
export const redisDump = kindOf('rdb');

function kindOf(persistence: Persistence): DatabaseKind {
  return {
    name: `redis-${persistence}`,
    missing: () => {
      const lacking = PROGRAMS.find((name) => spawnSync(name, ['--version']).error !== undefined);
      return lacking === undefined ? undefined : `${lacking} is not installed`;
    },
    create: (root) => {
      fs.mkdirSync(root, { mode: 0o750 });
      return Promise.resolve(new RedisServer(root, persistence));
    },
    open: (root) => new RedisServer(root, persistence),
  };
}

class RedisServer implements DatabaseServer {
  readonly root: string;
  readonly set = {};
  readonly quiesce: Record<string, unknown>;
  readonly #persistence: Persistence;
  readonly #home = makeHome('redis');
  #server: ServerProcess | undefined;
  #ledger: Ledger | undefined;
  #bench: ChildProcess | undefined;

  constructor(root: string, persistence: Persistence) {
    this.root = root;
    this.#persistence = persistence;
    const passwordFile = path.join(this.#home, 'password');
    fs.writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    this.quiesce = { recipe: 'redis', socket: this.#socket, password_file: passwordFile };
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  get acknowledged(): number {
    return this.#ledger?.acknowledged ?? 0;
  }

  get #socket(): string {
    return path.join(this.#home, 'socket');
  }

  /** What the files are is said by the server's own checker before it starts. */
  async start(): Promise<void> {
    const manifest = path.join(this.root, 'appendonlydir', 'appendonly.aof.manifest');
    const dump = path.join(this.root, 'dump.rdb');
    if (fs.existsSync(manifest)) await run('redis-check-aof', [manifest]);
    else if (fs.existsSync(dump)) await run('redis-check-rdb', [dump]);
    const logged = this.#persistence === 'aof';
    const settings: Record<string, string> = {
      port: '0',
      unixsocket: this.#socket,
      dir: this.root,
      requirepass: PASSWORD,
      appendonly: logged ? 'yes' : 'no',
      save: logged ? '' : '3600 1',
      // Anything torn must stop the start, not be cut off silently.
      'aof-load-truncated': 'no',
      'auto-aof-rewrite-percentage': '50',
      'auto-aof-rewrite-min-size': '1mb',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    this.#server = new ServerProcess('redis-server', args, { log: path.join(this.#home, 'log') });
    await this.#server.until(async () => {
      expectAnswer('PING', await this.#ask('PING'), 'PONG');
    });
  }

  async load(): Promise<void> {
    const each = ['-r', '5000', '-d', '200', '-c', '4', '-t', 'set,incr,lpush'];
    const args = ['-s', this.#socket, '-a', PASSWORD, '-l', '-n', '100000', ...each];
    this.#bench = spawn('nice', ['redis-benchmark', ...args], { stdio: 'ignore' });
    this.#ledger = new Ledger(this.#session(), (n) =>
      ['MULTI', `SET one ${n}`, 'INCR two', `RPUSH three ${n}`, 'EXEC'].join('\n'),
    );
    this.#ledger.start();
    await this.goesOn(20);
  }

  async goesOn(writes: number): Promise<void> {
    if (this.#ledger === undefined) throw new Error('nothing is written');
    await this.#ledger.goesOn(writes);
  }

  async check(acknowledged: number): Promise<void> {
    const [one = ''] = await this.#ask('GET one');
    expectAnswer('the counter beside it', await this.#ask('GET two'), one);
    expectAnswer('the length of the list', await this.#ask('LLEN three'), one);
    if (Number(one) >= acknowledged) return;
    throw new Error(`the first ${acknowledged} writes are not all there: ${one}`);
  }

  async stop(how: 'orderly' | 'kill' = 'orderly'): Promise<void> {
    if (this.#bench?.exitCode === null && this.#bench.signalCode === null) {
      const gone = once(this.#bench, 'exit');
      this.#bench.kill('SIGKILL');
      await gone;
    }
    if (how === 'orderly') await this.#ledger?.stop();
    await this.#server?.stop(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
    if (how === 'kill') await this.#ledger?.stop();
    fs.rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }

  async #ask(command: string): Promise<string[]> {
    const session = this.#session();
    try {
      return await session.ask(command, never);
    } finally {
      session.close();
    }
  }

  #session(): ClientSession {
    return openSession({
      program: 'redis-cli',
      args: ['-s', this.#socket, '--no-auth-warning'],
      env: { REDISCLI_AUTH: PASSWORD, REDISCLI_HISTFILE: '/dev/null' },
      runAs: undefined,
      frame: (command, mark) => `${command}\nECHO ${mark}\n`,
      goesOnAfterFailure: true,
    });
  }
}
