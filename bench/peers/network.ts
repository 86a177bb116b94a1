/**
 * Two machines made of one: the source's side and the replica's side are network namespaces with one
 * link between them, so that what crosses can be counted, by the same counter for everybody. Needs
 * root; without it everything talks over loopback and only what each tells of itself is known.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Set in the process that is the replica's side. */
const MARK = 'AFTERIMAGE_BENCH_NETWORK';
const LINK = 'afterimage0';
const REPLICA_HOST = '10.83.0.1';
const SOURCE_HOST = '10.83.0.2';
/** As loopback has, so that packets cost what they do there. */
const MTU = 65_535;

export interface Network {
  readonly about: string;
  /** The replica's side, as the source reaches it. */
  readonly host: string;
  /** In front of a command that is to run on the source's side. */
  readonly onSource: readonly string[];
  /** Bytes that crossed so far in both directions, headers included; undefined where not counted. */
  crossedBytes(): number | undefined;
  close(): void;
}

/**
 * Runs this process once more on a network of its own and gives its exit code. Undefined when this
 * is that process, or the machine does not allow it: then go on here.
 */
export async function rerunOnOwnNetwork(): Promise<number | undefined> {
  if (process.env[MARK] !== undefined || process.getuid?.() !== 0) return undefined;
  if (!canLink()) return undefined;
  fetchBroker();
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const env = { ...process.env, [MARK]: 'own' };
  const child = spawn('unshare', ['--net', '--', ...command], { stdio: 'inherit', env });
  const end = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}

/** Links come and go with the namespace that a trial makes. */
function canLink(): boolean {
  const trial = `ip link add ${LINK} type veth peer name ${LINK}p && nsenter --version`;
  return spawnSync('unshare', ['--net', '--', 'sh', '-c', trial]).status === 0;
}

/** There is no way out of the namespace: a broker that is missing is fetched before. */
function fetchBroker(): void {
  const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
  execFileSync(process.execPath, [main, 'broker', '--locate'], { stdio: 'ignore' });
}

export function openNetwork(): Network {
  if (process.env[MARK] === undefined) {
    return {
      about: 'loopback',
      host: '127.0.0.1',
      onSource: [],
      crossedBytes: () => undefined,
      close: () => undefined,
    };
  }
  const source = spawn('unshare', ['--net', '--', 'sleep', 'infinity'], { stdio: 'ignore' });
  const end = (): void => void source.kill('SIGKILL');
  process.once('exit', end);
  const onSource = ['nsenter', `--net=/proc/${source.pid ?? 0}/ns/net`, '--'];
  untilApart(source.pid ?? 0);
  const ip = (text: string): void => void execFileSync('ip', text.split(' '));
  const ipOnSource = (text: string): void => {
    const [command = '', ...rest] = [...onSource, 'ip', ...text.split(' ')];
    execFileSync(command, rest);
  };
  const peer = `type veth peer name ${LINK} mtu ${MTU} netns ${source.pid ?? 0}`;
  ip(`link add ${LINK} mtu ${MTU} ${peer}`);
  for (const [run, host] of [
    [ip, REPLICA_HOST],
    [ipOnSource, SOURCE_HOST],
  ] as const) {
    run('link set lo up');
    run(`addr add ${host}/24 dev ${LINK}`);
    run(`link set ${LINK} up`);
  }
  return {
    about: 'a link between two network namespaces',
    host: REPLICA_HOST,
    onSource,
    crossedBytes,
    close: () => {
      process.removeListener('exit', end);
      end();
    },
  };
}

/** The new process has its own namespace a moment after it exists. */
function untilApart(pid: number): void {
  const namespaceOf = (id: number | 'self'): string =>
    spawnSync('readlink', [`/proc/${id}/ns/net`], { encoding: 'utf8' }).stdout.trim();
  const own = namespaceOf('self');
  const deadline = performance.now() + 5_000;
  while (namespaceOf(pid) === own) {
    if (performance.now() > deadline) throw new Error('no network namespace was made');
  }
}

function crossedBytes(): number {
  const line = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .find((text) => text.trim().startsWith(`${LINK}:`));
  const counts = line?.split(':')[1]?.trim().split(/\s+/).map(Number) ?? [];
  return (counts[0] ?? NaN) + (counts[8] ?? NaN);
}
