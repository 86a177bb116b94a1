/**
 * One side comes out of an older copy, loses its disk, or is there twice: found at HELLO, healed
 * without sending again what both still have, and told by the point (R12 to R14).
 */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { describeDisk } from '../replica/support/disk-tree.js';
import {
  agentSays,
  backUp,
  change,
  Clone,
  FILE_BYTES,
  FILES,
  HEALING_BYTES_MAX,
  healings,
  putBack,
  SET,
  wireBytes,
  withProduct,
} from './support/divergent.js';
import { differences, PointReader, posix } from './support/point-reader.js';
import type { Product } from './support/product.js';
import type { Divergence } from '../../shared/protocol/sync-outcome.js';

const seed = Number(process.env['SEED'] ?? 41);
const TREE_BYTES = FILES * FILE_BYTES;

async function expectCopy(
  product: Product,
  point: number,
  copy: ReturnType<typeof describeDisk>,
): Promise<void> {
  const reader = new PointReader(product, SET);
  try {
    expect(differences(await reader.describe(point, SET), copy), `point ${point}`).toEqual([]);
  } finally {
    await reader.close();
  }
}

/** One point healed this, and only one, cheaply. */
async function expectHealed(product: Product, healed: Divergence): Promise<void> {
  const all = await healings(product);
  expect(all.map((one) => one.healed)).toEqual([healed]);
  expect(all[0]?.sent).toBeLessThan(HEALING_BYTES_MAX);
}

/** All that the agent's connection carried since it was made. */
function expectLittleWire(product: Product): void {
  const bytes = wireBytes(product.pid('agent'));
  if (bytes === undefined) console.log('wire bytes are not counted: ss is not there');
  else expect(bytes).toBeLessThan(HEALING_BYTES_MAX);
}

const inUse = (folder: string): boolean =>
  fs.existsSync(path.join(folder, 'status.json')) &&
  agentSays(folder).error?.code === 'identity-in-use';

test(`divergence: a state put back to an older copy heals by itself (R13, seed ${seed})`, async () => {
  await withProduct(seed, async (product, root) => {
    const first = await product.sync(SET);
    const before = describeDisk(posix, root);
    await product.kill('agent', 'SIGTERM');
    const backup = path.join(product.folder, 'backup');
    backUp(path.join(product.agentData, 'sets'), backup);
    await product.startAgent();
    for (const salt of [0, 1]) {
      change(root, salt);
      await product.sync(SET);
    }
    await product.kill('agent', 'SIGTERM');
    putBack(path.join(product.agentData, 'sets'), backup);
    change(root, 2);
    await product.startAgent();
    const point = await product.sync(SET);
    expectLittleWire(product);
    await expectHealed(product, 'agent-state-old');
    await expectCopy(product, point, describeDisk(posix, root));
    await expectCopy(product, first, before);
    expect((await product.ok(['points', SET])).out).toContain('healed: agent-state-old');
    const full = await product.ok(['points', `${SET}@${point}`]);
    expect(full.out).toMatch(/no gap for/);
  });
});

test(`divergence: a machine put back to an older copy is refused until it is adopted (R14, seed ${seed})`, async () => {
  await withProduct(seed, async (product, root) => {
    await product.sync(SET);
    await product.kill('agent', 'SIGKILL');
    const backup = path.join(product.folder, 'backup');
    backUp(product.agentData, backup);
    for (const salt of [0, 1]) {
      await product.startAgent();
      change(root, salt);
      await product.sync(SET);
      await product.kill('agent', 'SIGTERM');
    }
    putBack(product.agentData, backup);
    fs.rmSync(path.join(product.agentData, 'status.json'), { force: true });
    change(root, 2);
    await product.startAgent('refused');
    await product.until('it is refused', () => inUse(product.agentData));
    expect(agentSays(product.agentData).error?.hint).toContain('enroll NAME --adopt');
    expect(product.log('agent')).toContain('--adopt');
    const [status] = (await product.status()).sets;
    expect(status).toMatchObject({ agentConnected: false, error: { code: 'identity-in-use' } });
    fs.writeFileSync(path.join(root, 'meanwhile'), 'journalled');
    await product.until('it goes on journalling', () => {
      fs.appendFileSync(path.join(root, 'meanwhile'), '.');
      return agentSays(product.agentData).journal.paths > 0;
    });
    await product.ok(['enroll', 'local', '--adopt', '--config', product.replicaFile]);
    await product.until('it goes on by itself', () => product.connected());
    const point = await product.sync(SET);
    expectLittleWire(product);
    await expectHealed(product, 'agent-state-old');
    await expectCopy(product, point, describeDisk(posix, root));
  });
});

test(`divergence: a clone of a running machine is refused, and adopted it shuts the original out (R14, seed ${seed})`, async () => {
  await withProduct(seed, async (product, root) => {
    await product.sync(SET);
    const clone = new Clone(product);
    try {
      clone.start();
      await product.until('the clone is refused', () => inUse(clone.folder));
      expect(clone.log).toContain('--adopt');
      change(root, 0);
      await product.sync(SET);
      // whoever comes first after a restart: the clone has lost already
      await product.kill('replica', 'SIGKILL');
      await product.startReplica();
      await product.until('the original is back', () => product.connected());
      await product.until('the clone is still refused', () => inUse(clone.folder));
      change(root, 1);
      await product.sync(SET);
      await product.ok(['enroll', 'local', '--adopt', '--config', product.replicaFile]);
      await product.until('the original is refused', () => inUse(product.agentData));
      await product.until('the clone goes on by itself', () => !inUse(clone.folder));
      change(root, 2);
      const point = await product.sync(SET);
      await expectHealed(product, 'agent-state-old');
      await expectCopy(product, point, describeDisk(posix, root));
      expect(inUse(product.agentData)).toBe(true);
    } finally {
      await clone.stop();
    }
  });
});

test(`divergence: a replica out of an older copy takes agents with newer tokens (R13, R14, seed ${seed})`, async () => {
  await withProduct(seed, async (product, root) => {
    const first = await product.sync(SET);
    const before = describeDisk(posix, root);
    await product.kill('replica', 'SIGTERM');
    const backup = path.join(product.folder, 'backup');
    backUp(product.replicaData, backup);
    for (const salt of [0, 1, 2]) {
      await product.startReplica();
      await product.until('the agent is back', () => product.connected());
      change(root, salt);
      await product.sync(SET);
      await product.kill('replica', 'SIGTERM');
    }
    putBack(product.replicaData, backup);
    change(root, 3);
    await product.startReplica();
    await product.until('the agent is back', () => product.connected());
    const point = await product.sync(SET);
    expectLittleWire(product);
    await expectHealed(product, 'replica-state-old');
    await expectCopy(product, point, describeDisk(posix, root));
    await expectCopy(product, first, before);
  });
});

test(`divergence: a replica that lost its sets, and one that lost everything, get all of it again (R13, seed ${seed})`, async () => {
  await withProduct(seed, async (product, root) => {
    await product.sync(SET);
    await product.kill('replica', 'SIGTERM');
    fs.rmSync(path.join(product.replicaData, 'sets'), { recursive: true });
    change(root, 0);
    await product.startReplica();
    await product.until('the agent is back', () => product.connected());
    const again = await product.sync(SET);
    await expectCopy(product, again, describeDisk(posix, root));
    const healed = (await healings(product)).map((one) => one.healed);
    expect(healed).toEqual(['replica-state-lost']);

    await product.kill('replica', 'SIGTERM');
    fs.rmSync(product.replicaData, { recursive: true });
    await product.startReplica();
    fs.rmSync(product.enrolment);
    await product.ok([
      ...['enroll', 'local', '--config', product.replicaFile],
      ...['--out', product.enrolment],
    ]);
    await product.kill('agent', 'SIGTERM');
    await product.startAgent();
    const point = await product.sync(SET);
    await expectCopy(product, point, describeDisk(posix, root));
    const [only] = await healings(product);
    expect(only?.healed).toBe('replica-state-lost');
    expect(only?.sent).toBeGreaterThan(TREE_BYTES / 2);
  });
});

test(`divergence: a machine that lost its data folder is enrolled again and sends little (R13, seed ${seed})`, async () => {
  await withProduct(seed, async (product, root) => {
    await product.sync(SET);
    await product.kill('agent', 'SIGKILL');
    fs.rmSync(product.agentData, { recursive: true });
    fs.rmSync(product.enrolment);
    await product.ok([
      ...['enroll', 'local', '--config', product.replicaFile],
      ...['--out', product.enrolment],
    ]);
    change(root, 0);
    await product.startAgent();
    const point = await product.sync(SET);
    expectLittleWire(product);
    await expectHealed(product, 'agent-state-lost');
    await expectCopy(product, point, describeDisk(posix, root));
  });
});
