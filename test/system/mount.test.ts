/** Mounts with real processes: equal trees, replicas that go away, processes that are killed. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readMounts } from '../../cli/mount/mount-info.js';
import type { MountRecord } from '../../cli/mount/mount-records.js';
import { postgresql } from '../applications/postgresql-server.js';
import { Seeded } from '../support/seeded.js';
import { mountMissing } from '../support/mount-missing.js';
import { type Product, type ProductSet, startProduct } from './support/product.js';
import { rsyncMissing, treeDifferences } from './support/rsync.js';
import { tortureSteps } from './support/torture-tree.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
let product: Product | undefined;

/** Records and scratch folders of this test. */
let home: string;

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-mounts-'));
  fs.chmodSync(home, 0o755);
  vi.stubEnv('AFTERIMAGE_RUN', path.join(home, 'run'));
  vi.stubEnv('TMPDIR', home);
});

afterEach(async () => {
  const folders = [home, ...(product === undefined ? [] : [product.folder])];
  for (const { folder } of readMounts().reverse()) {
    const isOurs = folders.some((own) => folder.startsWith(`${own}/`));
    if (isOurs) await run('umount', ['-l', folder]);
  }
  await product?.close();
  product = undefined;
  vi.unstubAllEnvs();
  fs.rmSync(home, { recursive: true, force: true });
});

/** A product with one set, of a folder `app` that `fill` fills, and its first point. */
async function start(
  fill: (root: string) => void | Promise<void>,
  set: Partial<ProductSet> = {},
  replica: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly product: Product; readonly root: string; readonly point: number }> {
  const made = await startProduct({
    replica,
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app'));
      return [{ name: 'app', roots: [path.join(folder, 'app')], ...set }];
    },
  });
  product = made;
  const root = path.join(made.folder, 'app');
  await fill(root);
  return { product: made, root, point: await made.sync('app') };
}

/** One that the replica can come back to. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function mount(
  from: Product,
  what: string,
  options: readonly string[] = [],
): Promise<MountRecord> {
  const at = path.join(from.folder, 'at');
  const answer = await from.ok(['mount', what, at, '--json', ...options], [0]);
  return JSON.parse(answer.out) as MountRecord;
}

const own = (folder: string): string[] =>
  readMounts()
    .map((one) => one.folder)
    .filter((at) => at.startsWith(`${folder}/`));

test('mount: everything a file system can hold reads back as the source, by content and metadata (promise 9)', async (context) => {
  const missing = rsyncMissing() ?? mountMissing();
  if (missing !== undefined) context.skip(missing);
  const { product, root, point } = await start((at) => {
    for (const step of tortureSteps.slice(0, 1)) step.run(at);
  });
  const { folder } = await mount(product, `app@${point}`);
  expect(treeDifferences(root, path.join(folder, 'app'))).toBe('');
  const sparse = path.join(product.folder, 'sparse-copy');
  await run('cp', [path.join(folder, 'app', 'sparse'), sparse]);
  expect(fs.statSync(sparse).blocks).toBeLessThan(fs.statSync(sparse).size / 512 / 2);
  await product.ok(['unmount', folder]);
  expect([own(product.folder), fs.existsSync(folder)]).toEqual([[], false]);
});

test('mount: points of a set stand by their times, and a new one shows up by itself', async (context) => {
  const missing = mountMissing();
  if (missing !== undefined) context.skip(missing);
  const { product, root } = await start((at) => {
    fs.writeFileSync(path.join(at, 'a'), 'first');
  });
  const { folder } = await mount(product, 'app');
  const read = (name: string): string => fs.readFileSync(path.join(folder, name, 'app/a'), 'utf8');
  const first = fs.readlinkSync(path.join(folder, 'latest'));
  expect([first, read('latest')]).toEqual([expect.stringMatching(/^\d{4}-.*Z(-\d+)?$/), 'first']);
  fs.writeFileSync(path.join(root, 'a'), 'second');
  await product.sync('app');
  await product.until('the new point shows', () => read('latest') === 'second');
  expect(read(first)).toBe('first');
});

test('mount: a read goes on when the replica was killed and came back in the middle of it', async (context) => {
  const missing = mountMissing();
  if (missing !== undefined) context.skip(missing);
  const bytes = new Seeded(11).bytes(96 * MIB);
  const listen = `127.0.0.1:${await freePort()}`;
  const { product, point } = await start(
    (at) => {
      fs.writeFileSync(path.join(at, 'large'), bytes);
    },
    {},
    { listen },
  );
  const { folder } = await mount(product, `app@${point}`);
  const copy = path.join(product.folder, 'copy');
  // As fast as it is read: the first half, then what was asked for while nobody answers.
  const script = `exec 3<"$1"; head -c ${40 * MIB} <&3 >"$2"; echo half; cat <&3 >>"$2"`;
  const reader = spawn('bash', ['-c', script, 'sh', path.join(folder, 'app/large'), copy]);
  await once(reader.stdout, 'data');
  await product.kill('replica', 'SIGKILL');
  const ended = once(reader, 'exit');
  await product.startReplica();
  expect(await ended).toEqual([0, null]);
  expect(fs.readFileSync(copy).equals(bytes)).toBe(true);
});

test('mount: a process that is killed leaves nothing behind once mounts is asked', async (context) => {
  const missing = mountMissing('writable');
  if (missing !== undefined) context.skip(missing);
  const { product, point } = await start((at) => {
    fs.writeFileSync(path.join(at, 'a'), 'first');
  });
  const record = await mount(product, `app@${point}`, ['--writable']);
  const scratch = record.scratch?.folder ?? '';
  fs.writeFileSync(path.join(record.folder, 'app/a'), 'changed');
  process.kill(record.pid, 'SIGKILL');
  await product.until('it is gone', () => !fs.existsSync(`/proc/${record.pid}`));
  const { out, err } = await product.ok(['mounts']);
  expect([out, err]).toEqual(['', expect.stringContaining(record.folder)]);
  expect([own(product.folder), fs.existsSync(scratch), fs.existsSync(record.folder)]).toEqual([
    [],
    false,
    false,
  ]);
});

test('mount: what is written to a writable mount stays in its scratch folder, and the point as it was', async (context) => {
  const missing = mountMissing('writable');
  if (missing !== undefined) context.skip(missing);
  const { product, point } = await start(async (at) => {
    await run('sqlite3', [
      path.join(at, 'db'),
      'CREATE TABLE t (n); INSERT INTO t VALUES (1), (2)',
    ]);
  });
  const { folder } = await mount(product, `app@${point}`, ['--writable']);
  const db = path.join(folder, 'app/db');
  const { stdout } = await run('sqlite3', [
    db,
    'PRAGMA journal_mode=WAL; INSERT INTO t VALUES (3); SELECT sum(n) FROM t; PRAGMA integrity_check',
  ]);
  expect(stdout).toBe('wal\n6\nok\n');
  await product.ok(['unmount', folder]);
  const again = await mount(product, `app@${point}`, ['--writable']);
  const sum = await run('sqlite3', [path.join(again.folder, 'app/db'), 'SELECT sum(n) FROM t']);
  expect(sum.stdout).toBe('3\n');
});

test('mount: PostgreSQL starts on a writable mount, and its tables are whole', async (context) => {
  const missing = mountMissing('writable') ?? postgresql.missing();
  if (missing !== undefined) context.skip(missing);
  let acknowledged = 0;
  const { product, point } = await start(
    async (at) => {
      fs.chmodSync(path.dirname(at), 0o755);
      const server = await postgresql.create(path.join(at, 'pg'));
      await server.start();
      await server.load();
      acknowledged = server.acknowledged;
      await server.stop();
    },
    { exclude: ['postmaster.pid'] },
  );
  const { folder } = await mount(product, `app@${point}`, ['--writable']);
  const copy = postgresql.open(path.join(folder, 'app/pg'));
  try {
    await copy.start();
    await copy.check(acknowledged);
  } finally {
    await copy.stop();
  }
  await product.ok(['unmount', folder]);
});
