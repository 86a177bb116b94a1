/** MariaDB under transfers between accounts and a ledger; judged by its sums and mariadb-check. */
import { spawnSync } from 'node:child_process';
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

const PROGRAMS = ['mariadbd', 'mariadb', 'mariadb-install-db', 'mariadb-check'];
const ACCOUNTS = 2_000;
const BALANCE = 1_000;
const CLIENTS = 3;
const never = new AbortController().signal;

export const mariadb: DatabaseKind = {
  name: 'mariadb',
  missing: () => {
    const lacking = PROGRAMS.find((name) => spawnSync(name, ['--help']).error !== undefined);
    return lacking === undefined ? undefined : `${lacking} is not installed`;
  },
  create: async (root) => {
    const user = process.getuid?.() === 0 ? ['--user=root'] : [];
    const options = ['--auth-root-authentication-method=normal', '--skip-test-db', ...user];
    await run('mariadb-install-db', ['--no-defaults', `--datadir=${root}`, ...options]);
    return new MariadbServer(root);
  },
  open: (root) => new MariadbServer(root),
};

class MariadbServer implements DatabaseServer {
  readonly root: string;
  readonly set = {};
  readonly quiesce: Record<string, unknown>;
  readonly #home = makeHome('maria');
  #server: ServerProcess | undefined;
  #ledgers: Ledger[] = [];

  constructor(root: string) {
    this.root = root;
    const defaults = path.join(this.#home, 'client.cnf');
    fs.writeFileSync(defaults, '[client]\nuser=root\n');
    this.quiesce = { recipe: 'mariadb', socket: this.#socket, defaults_file: defaults };
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  /** Of the first client: the others are judged by their sums. */
  get acknowledged(): number {
    return this.#ledgers[0]?.acknowledged ?? 0;
  }

  get #socket(): string {
    return path.join(this.#home, 'socket');
  }

  async start(): Promise<void> {
    const args = [
      '--no-defaults',
      `--datadir=${this.root}`,
      `--socket=${this.#socket}`,
      `--pid-file=${path.join(this.#home, 'pid')}`,
      '--skip-networking',
      '--log-bin=binlog',
      '--innodb-buffer-pool-size=64M',
      '--innodb-log-file-size=32M',
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ];
    this.#server = new ServerProcess('mariadbd', args, { log: path.join(this.#home, 'log') });
    await this.#server.until(() => this.#sql('SELECT 1'));
  }

  async load(): Promise<void> {
    await this.#sql(`CREATE DATABASE bank; USE bank;
      CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT, filler VARCHAR(200)) ENGINE=InnoDB;
      CREATE TABLE ledger (client INT, n BIGINT, PRIMARY KEY (client, n)) ENGINE=InnoDB;
      CREATE TABLE visit (n BIGINT PRIMARY KEY) ENGINE=Aria;
      INSERT INTO account SELECT seq, ${BALANCE}, repeat('x', 200) FROM seq_1_to_${ACCOUNTS}`);
    this.#ledgers = Array.from({ length: CLIENTS }, (_, client) => {
      const write = (n: number): string => transfer(client, n);
      return new Ledger(this.#session('bank'), write);
    });
    for (const ledger of this.#ledgers) ledger.start();
    await this.goesOn(20);
  }

  async goesOn(writes: number): Promise<void> {
    await Promise.all(this.#ledgers.map((ledger) => ledger.goesOn(writes)));
  }

  async check(acknowledged: number): Promise<void> {
    const sum = await this.#sql('SELECT sum(balance) FROM bank.account');
    expectAnswer('the sum of all balances', sum, String(ACCOUNTS * BALANCE));
    const whole = `SELECT count(*) FROM (SELECT count(*) AS c, max(n) AS m FROM bank.ledger
      GROUP BY client) AS t WHERE c <> m`;
    expectAnswer('ledgers with gaps', await this.#sql(whole), '0');
    const last = `SELECT max(n) >= ${acknowledged} FROM bank.ledger WHERE client = 0`;
    expectAnswer(`the first ${acknowledged} are there`, await this.#sql(last), '1');
    const visits = `SELECT max(n) >= ${acknowledged} AND max(n) = count(*) FROM bank.visit`;
    expectAnswer(`so are they in the Aria table`, await this.#sql(visits), '1');
    const said = await run('mariadb-check', [
      '--no-defaults',
      `--socket=${this.#socket}`,
      '--user=root',
      '--check',
      '--extended',
      '--databases',
      'bank',
      'mysql',
    ]);
    const faulty = said.split('\n').filter((line) => line !== '' && !line.endsWith(' OK'));
    expectAnswer('mariadb-check', faulty, '');
  }

  async stop(how: 'orderly' | 'kill' = 'orderly'): Promise<void> {
    if (how === 'orderly') await Promise.all(this.#ledgers.map((ledger) => ledger.stop()));
    await this.#server?.stop(how === 'kill' ? 'SIGKILL' : 'SIGTERM');
    if (how === 'kill') await Promise.all(this.#ledgers.map((ledger) => ledger.stop()));
    fs.rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }

  async #sql(statements: string): Promise<string[]> {
    const session = this.#session('');
    try {
      return await session.ask(statements, never);
    } finally {
      session.close();
    }
  }

  #session(database: string): ClientSession {
    return openSession({
      program: 'mariadb',
      args: [
        '--no-defaults',
        `--socket=${this.#socket}`,
        '--user=root',
        '--batch',
        '--skip-column-names',
        '--unbuffered',
        ...(database === '' ? [] : [database]),
      ],
      env: {},
      runAs: undefined,
      frame: (command, mark) => `${command};\nSELECT '${mark}';\n`,
    });
  }
}

/** Money moves between two accounts and the ledger says so; the first client also signs a visit. */
function transfer(client: number, n: number): string {
  const from = 1 + ((n * 7919 + client * 31) % ACCOUNTS);
  const to = 1 + ((n * 104729 + client * 17) % ACCOUNTS);
  const visit = client === 0 ? `INSERT INTO visit VALUES (${n});` : '';
  // Both rows in one order for all clients, so that none waits for another in a circle.
  const change = (id: number): string =>
    `UPDATE account SET balance = balance + ${id === from ? -1 : 1} WHERE id = ${id};`;
  const both =
    from === to
      ? ''
      : [from, to]
          .sort((a, b) => a - b)
          .map(change)
          .join(' ');
  return `${visit} BEGIN; ${both} INSERT INTO ledger VALUES (${client}, ${n}); COMMIT`;
}
