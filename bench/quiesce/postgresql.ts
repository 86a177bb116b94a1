/**
 * How long PostgreSQL is held for a point while pgbench asks it for 2,000 transactions a second: on
 * ext4, where what changed is read meanwhile, and on XFS, where it is cloned. See
 * docs/design/quiesce.md.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import type { Figure } from '../figure.js';
import { Product } from '../harness.js';
import type { RunOptions } from '../run-options.js';
import { quantile, summarise } from '../summary.js';

const BINARIES = '/usr/lib/postgresql/15/bin';
/** At scale 1. */
const POINTS = 100;
const POINTS_MIN = 5;
const RATE = 2_000;
const CLIENTS = 4;
const BENCH_SCALE = 10;
const BETWEEN_MS = 500;
const READY_MS = 30_000;
const IMAGE_BYTES = 8 * 1024 ** 3;
const HELD_MS_MAX = { xfs: 150, ext4: 1_000 } as const;

type FileSystem = keyof typeof HELD_MS_MAX;

/** No figures where PostgreSQL is not installed or file systems cannot be mounted. */
export async function run({ rounds, scale }: RunOptions): Promise<Figure[]> {
  const why = missing();
  if (why !== undefined) {
    process.stderr.write(`holding PostgreSQL is not measured: ${why}\n`);
    return [];
  }
  const points = Math.max(POINTS_MIN, Math.round(POINTS * scale));
  const figures: Figure[] = [];
  for (const fileSystem of ['xfs', 'ext4'] as const) {
    const measured: number[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      process.stderr.write(`PostgreSQL on ${fileSystem}, round ${round + 1}\n`);
      measured.push(await measure(fileSystem, points));
    }
    figures.push(...figuresOf(fileSystem, measured));
  }
  return figures;
}

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not run as root';
  if (!fs.existsSync(join(BINARIES, 'postgres'))) return 'PostgreSQL 15 is not installed';
  if (!fs.existsSync('/dev/loop-control')) return 'there are no loop devices';
  return spawnSync('mkfs.xfs', ['-V']).error === undefined ? undefined : 'mkfs.xfs is missing';
}

function figuresOf(fileSystem: FileSystem, measured: readonly (readonly number[])[]): Figure[] {
  const at = (share: number): number[] =>
    measured.map((held) =>
      quantile(
        [...held].sort((a, b) => a - b),
        share,
      ),
    );
  const name = `hold_postgresql_${fileSystem}`;
  const atMost = HELD_MS_MAX[fileSystem];
  return [
    summarise({ name: `${name}_p50_ms`, unit: 'ms', rounds: at(0.5) }),
    summarise({ name: `${name}_p99_ms`, unit: 'ms', rounds: at(0.99) }, { atMost }),
  ];
}

/** How long each hold was, in milliseconds. */
async function measure(fileSystem: FileSystem, points: number): Promise<number[]> {
  const home = fs.mkdtempSync(join(tmpdir(), 'afterimage-bench-'));
  fs.chmodSync(home, 0o711);
  const disk = join(home, 'disk');
  const undo: (() => unknown)[] = [
    () => {
      fs.rmSync(home, { recursive: true, force: true });
    },
  ];
  try {
    undo.push(mount(fileSystem, home, disk));
    const server = await startServer(home, disk);
    undo.push(() => server.stop());
    const product = await Product.start({
      folder: join(home, 'product'),
      root: server.root,
      schedule: 'asked',
      set: { quiesce: server.quiesce },
    });
    undo.push(() => product.stop());
    const held: number[] = [];
    // The first is the first copy.
    for (let point = 0; point <= points; point += 1) {
      await product.copy();
      const outcome = await product.outcome();
      if (outcome?.consistency !== 'application') {
        const message = `a point is ${outcome?.consistency ?? 'not there'}`;
        throw new AfterimageError('mismatch', message);
      }
      if (point > 0) held.push(outcome.heldMs);
      await sleep(BETWEEN_MS);
    }
    return held;
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

function mount(fileSystem: FileSystem, home: string, disk: string): () => void {
  const image = join(home, 'image');
  fs.mkdirSync(disk);
  fs.writeFileSync(image, '');
  fs.truncateSync(image, IMAGE_BYTES);
  execFileSync(`mkfs.${fileSystem}`, [fileSystem === 'ext4' ? '-qF' : '-qf', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  return () => {
    execFileSync('umount', ['--lazy', disk]);
  };
}

interface Server {
  readonly root: string;
  readonly quiesce: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

async function startServer(home: string, disk: string): Promise<Server> {
  const id = (option: string): number => Number(execFileSync('id', [option, 'postgres']));
  const user = { uid: id('-u'), gid: id('-g') };
  const socket = fs.mkdtempSync(join(tmpdir(), 'afterimage-pg-'));
  const root = join(disk, 'data');
  fs.mkdirSync(root, { mode: 0o700 });
  for (const folder of [root, socket]) fs.chownSync(folder, user.uid, user.gid);
  const program = (name: string): string => join(BINARIES, name);
  const place = ['-h', socket, '-U', 'postgres'];
  execFileSync(program('initdb'), ['-D', root, '-U', 'postgres', '-A', 'trust'], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
  });
  const log = fs.openSync(join(home, 'log'), 'a');
  const settings = ['-c', 'listen_addresses=', '-c', 'shared_buffers=256MB'];
  const server = spawn(program('postgres'), ['-D', root, '-k', socket, ...settings], {
    ...user,
    cwd: '/',
    stdio: ['ignore', log, log],
  });
  const clients: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of [...clients, server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill(child === server ? 'SIGQUIT' : 'SIGKILL');
      await gone;
    }
    fs.closeSync(log);
    fs.rmSync(socket, { recursive: true, force: true });
  };
  try {
    await untilReady(() => spawnSync(program('pg_isready'), place).status === 0);
    execFileSync(
      program('pgbench'),
      [...place, '-q', '-i', '-s', String(BENCH_SCALE), 'postgres'],
      {
        stdio: 'ignore',
      },
    );
    const load = ['-n', '-c', String(CLIENTS), '-R', String(RATE), '-T', '100000', 'postgres'];
    clients.push(spawn(program('pgbench'), [...place, ...load], { stdio: 'ignore' }));
  } catch (error) {
    await stop();
    throw error;
  }
  const quiesce = {
    recipe: 'postgresql',
    program: program('psql'),
    host: socket,
    user: 'postgres',
  };
  return { root, quiesce, stop };
}

async function untilReady(isReady: () => boolean): Promise<void> {
  const endMs = performance.now() + READY_MS;
  while (!isReady()) {
    if (performance.now() > endMs) throw new Error('PostgreSQL did not start');
    await sleep(50);
  }
}
