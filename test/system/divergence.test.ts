/**
 * Agent and replica remember different histories: a lost state, a replica out of a backup, a crash
 * between `end` and the point. The next sync heals it by itself (R13).
 */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { describeDisk } from '../replica/support/disk-tree.js';
import { Seeded } from '../support/seeded.js';
import { differences, PointReader, posix } from './support/point-reader.js';
import { type Product, startProduct } from './support/product.js';

const seed = Number(process.env['SEED'] ?? 31);
const FILES = 60;
const FILE_BYTES = 300_000;
/** What healing may ship for a few kilobytes that differ: far less than the tree's 18 MB. */
const HEALING_BYTES_MAX = 2_000_000;

async function withProduct(work: (product: Product, root: string) => Promise<void>): Promise<void> {
  const random = new Seeded(seed);
  const product = await startProduct({
    sets: (folder) => {
      const root = path.join(folder, 'app');
      fs.mkdirSync(path.join(root, 'deep', 'deeper'), { recursive: true });
      for (let n = 0; n < FILES; n += 1) {
        const under = n % 3 === 0 ? 'deep/deeper' : n % 3 === 1 ? 'deep' : '.';
        fs.writeFileSync(path.join(root, under, `file-${n}`), random.bytes(FILE_BYTES));
      }
      return [{ name: 'app', roots: [root] }];
    },
  });
  try {
    await work(product, path.join(product.folder, 'app'));
  } finally {
    await product.close();
  }
}

async function expectPoint(product: Product, point: number, root: string): Promise<void> {
  await expectCopy(product, point, describeDisk(posix, root));
}

async function expectCopy(
  product: Product,
  point: number,
  copy: ReturnType<typeof describeDisk>,
): Promise<void> {
  const reader = new PointReader(product, 'app');
  try {
    expect(differences(await reader.describe(point, 'app'), copy), `point ${point}`).toEqual([]);
  } finally {
    await reader.close();
  }
}

/** One point, and only one, was made by comparing, and shipped little. */
async function expectHealed(product: Product): Promise<void> {
  const sent: number[] = [];
  for (const { point } of await product.points('app')) {
    const { outcome } = await product.pointDetail('app', point);
    expect(outcome.reconciled).toBe(outcome.healed !== undefined);
    if (outcome.reconciled) sent.push(outcome.counts.bytesSent);
  }
  expect(sent).toHaveLength(1);
  expect(sent[0]).toBeLessThan(HEALING_BYTES_MAX);
}

/** Changes a page, adds a file, removes one and moves a folder. */
function change(root: string, salt: string): void {
  const fd = fs.openSync(path.join(root, 'file-2'), 'r+');
  fs.writeSync(fd, Buffer.from(`changed ${salt}`), 0, 9, 70_000);
  fs.closeSync(fd);
  fs.writeFileSync(path.join(root, `new-${salt}`), `new ${salt}`.repeat(1000));
  fs.rmSync(path.join(root, 'deep', `file-${salt === 'a' ? 4 : 7}`), { force: true });
  const [from, to] = salt === 'a' ? ['deeper', 'moved'] : ['moved', 'deeper'];
  if (fs.existsSync(path.join(root, 'deep', from)))
    fs.renameSync(path.join(root, 'deep', from), path.join(root, 'deep', to));
}

test(`divergence: an agent that lost its state compares, ships what differs and says so (seed ${seed})`, async () => {
  await withProduct(async (product, root) => {
    const first = await product.sync('app');
    const before = describeDisk(posix, root);
    // The newest nodes die: their numbers must not be given again.
    for (let n = 0; n < 5; n += 1) fs.writeFileSync(path.join(root, `short-lived-${n}`), `${n}`);
    await product.sync('app');
    for (let n = 0; n < 5; n += 1) fs.rmSync(path.join(root, `short-lived-${n}`));
    await product.sync('app');
    await product.kill('agent', 'SIGTERM');
    fs.rmSync(path.join(product.agentData, 'sets'), { recursive: true });
    change(root, 'a');
    await product.startAgent();
    const point = await product.sync('app');
    await expectPoint(product, point, root);
    await expectHealed(product);
    expect(product.log('replica')).not.toContain('record-refused');
    change(root, 'b');
    const next = await product.sync('app');
    await expectPoint(product, next, root);
    expect((await product.pointDetail('app', next)).outcome.reconciled).toBe(false);
    await expectCopy(product, first, before);
  });
});

test(`divergence: a replica out of an older copy compares, ships what differs and says so (seed ${seed})`, async () => {
  await withProduct(async (product, root) => {
    const first = await product.sync('app');
    const before = describeDisk(posix, root);
    await product.kill('replica', 'SIGTERM');
    const backup = path.join(product.folder, 'backup');
    fs.cpSync(product.replicaData, backup, { recursive: true, preserveTimestamps: true });
    await product.startReplica();
    await product.until('the agent is back', () => product.connected());
    change(root, 'a');
    const lost = await product.sync('app');
    expect(lost).toBeGreaterThan(first);
    await product.kill('replica', 'SIGTERM');
    fs.rmSync(product.replicaData, { recursive: true });
    fs.renameSync(backup, product.replicaData);
    change(root, 'b');
    await product.startReplica();
    await product.until('the agent is back', () => product.connected());
    const point = await product.sync('app');
    await expectPoint(product, point, root);
    await expectHealed(product);
    await expectCopy(product, first, before);
  });
});

test(`divergence: an agent killed between end and point rolls forward (seed ${seed})`, async () => {
  await withProduct(async (product, root) => {
    const first = await product.sync('app');
    // Apply cannot enter a folder that a link replaced: the sync is sealed and waits.
    const deep = path.join(product.replicaData, 'sets', 'app', 'base', 'app', 'deep');
    const aside = path.join(product.folder, 'aside');
    fs.renameSync(deep, aside);
    fs.symlinkSync(product.folder, deep);
    change(root, 'a');
    const asked = product.run(['sync', 'app', '--wait', '--timeout', '60']);
    await product.until('the sync waits to be applied', () =>
      product.log('replica').includes('path-escapes'),
    );
    await product.kill('agent', 'SIGKILL');
    fs.unlinkSync(deep);
    fs.renameSync(aside, deep);
    await product.until(
      'the point is cut',
      async () => (await product.points('app')).at(-1)?.point === first + 1,
    );
    expect(await asked).toMatchObject({ code: 0, err: '' });
    await expectPoint(product, first + 1, root);
    await product.startAgent();
    const next = await product.sync('app');
    await expectPoint(product, next, root);
    const { outcome } = await product.pointDetail('app', next);
    expect(outcome.reconciled).toBe(false);
    expect(outcome.counts.bytesSent).toBeLessThan(10_000);
    expect(product.log('agent')).not.toContain('different histories');
  });
});
