/**
 * Keys of agent, replica and broker users change while the product runs, as operators do it: the next
 * sync is a small one, and whoever has the old keys is refused (R23).
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Seeded } from '../support/seeded.js';
import { type Product, startProduct } from './support/product.js';
import { type WireAgent, wireAgent } from './support/wire-agent.js';

interface Stored {
  readonly privateKey: string;
  readonly brokerSeed: string;
  readonly replicaPublicKey: string;
  readonly next: unknown;
}

const atStart = () => ({
  point: 0,
  chain: Buffer.alloc(32),
  incarnation: Buffer.alloc(16, 1),
  ended: null,
});
const FILE_BYTES = 8_000_000;
/** What a sync of one changed page may ship. */
const SMALL_BYTES = 100_000;

let product: Product;
let root: string;
const agents: WireAgent[] = [];

beforeAll(async () => {
  product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app'));
      fs.writeFileSync(path.join(folder, 'app', 'file'), new Seeded(3).bytes(FILE_BYTES));
      return [{ name: 'app', roots: [path.join(folder, 'app')] }];
    },
  });
  root = path.join(product.folder, 'app');
  await product.sync('app');
});
afterAll(async () => {
  for (const agent of agents) await agent.close();
  await product.close();
});

const identityFile = (folder: string): string => path.join(folder, 'identity.json');
const stored = (): Stored =>
  JSON.parse(
    fs.readFileSync(identityFile(path.join(product.agentData, 'identity')), 'utf8'),
  ) as Stored;

/** The next sync ships what changed, and no more. */
async function expectSmallSync(): Promise<void> {
  fs.appendFileSync(path.join(root, 'file'), 'more');
  const point = await product.sync('app');
  const { outcome } = await product.pointDetail('app', point);
  expect(outcome.reconciled).toBe(false);
  expect(outcome.counts.bytesSent).toBeLessThan(SMALL_BYTES);
}

function thiefWith(name: string, keys: Partial<Stored>): WireAgent {
  const folder = path.join(product.folder, name);
  fs.cpSync(path.join(product.agentData, 'identity'), folder, { recursive: true });
  const now = JSON.parse(fs.readFileSync(identityFile(folder), 'utf8')) as Stored;
  fs.writeFileSync(identityFile(folder), JSON.stringify({ ...now, older: null, ...keys }));
  const thief = wireAgent({ folder, set: 'app' });
  agents.push(thief);
  return thief;
}

test('keys: an agent asked for new ones changes them by itself, and the old are refused', async () => {
  const before = stored();
  await product.ok(['enroll', 'local', '--rotate', '--config', product.replicaFile]);
  await product.until('the new key is in force', () =>
    product.log('replica').includes('an agent changed its key'),
  );
  await product.until('the agent is back under its new broker user', async () => {
    const now = stored();
    const changed = now.next === null && now.brokerSeed !== before.brokerSeed;
    return changed && now.privateKey !== before.privateKey && (await product.connected());
  });
  await expectSmallSync();
  const oldKey = thiefWith('old-key', { privateKey: before.privateKey });
  void oldKey.session.start(atStart);
  await product.until('it is told', () => oldKey.awayCodes().includes('identity-unknown'));
  const oldUser = thiefWith('old-user', { brokerSeed: before.brokerSeed });
  void oldUser.session.start(atStart);
  await product.until('it is told', () => oldUser.awayCodes().includes('broker-unreachable'));
  expect(oldUser.statuses.some(({ type }) => type === 'connected')).toBe(false);
  await expectSmallSync();
});

test('keys: a new key of the replica reaches the agent by itself, and the old one goes', async () => {
  const before = stored();
  await product.ok(['enroll', '--replica', '--rotate', '--config', product.replicaFile]);
  await product.kill('replica', 'SIGTERM');
  await product.startReplica();
  await product.until('every agent knows it', () =>
    product.log('replica').includes('every agent knows the new key of the replica'),
  );
  expect(stored().replicaPublicKey).not.toBe(before.replicaPublicKey);
  await product.until('the agent is connected', () => product.connected());
  await expectSmallSync();
  const late = thiefWith('late', { replicaPublicKey: before.replicaPublicKey });
  void late.session.start(atStart);
  await product.until('it is told', () => late.awayCodes().includes('identity-unknown'));
});

test('keys: an agent that is enrolled again takes the file when it starts, and keeps its key', async () => {
  const before = stored();
  await product.ok([
    'enroll',
    'local',
    '--config',
    product.replicaFile,
    '--out',
    product.enrolment,
  ]);
  await product.kill('agent', 'SIGTERM');
  await product.startAgent();
  await product.until('the file is taken', () => stored().brokerSeed !== before.brokerSeed);
  expect(stored().privateKey).toBe(before.privateKey);
  await product.until('the agent is connected', () => product.connected());
  await expectSmallSync();
});

test('keys: what cannot be asked for is said', async () => {
  const config = ['--config', product.replicaFile];
  await product.ok(['enroll', 'nobody', '--rotate', ...config], [3]);
  await product.ok(['enroll', '--rotate', ...config], [2]);
  await product.ok(['enroll', '--replica', ...config], [2]);
  await product.ok(['enroll', 'local', '--retire', ...config], [2]);
});
