/**
 * What strangers, clones and mistyped configurations meet: a named error, and a product that goes on
 * (promise 7).
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentPosition } from '../../agent/ship/session.js';
import { describeDisk } from '../replica/support/disk-tree.js';
import { pattern } from '../replica/support/small-set.js';
import { Seeded } from '../support/seeded.js';
import { differences, PointReader, posix } from './support/point-reader.js';
import { type Product, startProduct } from './support/product.js';
import { type WireAgent, wireAgent } from './support/wire-agent.js';

const seed = Number(process.env['SEED'] ?? 5);
const MUTATIONS = 400;

const atStart = (): AgentPosition => ({
  point: 0,
  chain: Buffer.alloc(32),
  incarnation: Buffer.alloc(16, 1),
  ended: null,
});

let product: Product;
let point: number;
const agents: WireAgent[] = [];

beforeAll(async () => {
  product = await startProduct({
    sets: (folder) => {
      fs.mkdirSync(path.join(folder, 'app'));
      fs.writeFileSync(path.join(folder, 'app', 'file'), pattern(200_000, 1));
      return [{ name: 'app', roots: [path.join(folder, 'app')] }];
    },
  });
  point = await product.sync('app');
});
afterAll(async () => {
  for (const agent of agents) await agent.close();
  await product.close();
});

async function enrolled(name: string): Promise<string> {
  const file = path.join(product.folder, `${name}.json`);
  await product.ok(['enroll', name, '--config', product.replicaFile, '--out', file]);
  return file;
}

function agentAt(options: Parameters<typeof wireAgent>[0]): WireAgent {
  const agent = wireAgent(options);
  agents.push(agent);
  return agent;
}

/** The product's own set stands, and its next sync is good. */
async function expectGood(): Promise<void> {
  const root = path.join(product.folder, 'app');
  const reader = new PointReader(product, 'app');
  try {
    expect(differences(await reader.describe(point, 'app'), describeDisk(posix, root))).toEqual([]);
    fs.appendFileSync(path.join(root, 'file'), 'more');
    point = await product.sync('app');
    expect(differences(await reader.describe(point, 'app'), describeDisk(posix, root))).toEqual([]);
  } finally {
    await reader.close();
  }
}

describe('strangers', () => {
  test("another agent's subject: the broker refuses it, and says so", async () => {
    const evil = agentAt({
      folder: path.join(product.folder, 'evil'),
      enrolment: await enrolled('evil'),
      set: 'evil-set',
    });
    await product.until('it is connected', () => evil.transport.connected);
    for (const lane of ['hello', 'has', 'up', 'ack', 'ctl']) {
      evil.transport.publish(`afterimage.default.local.app.${lane}`, pattern(100, 1));
    }
    evil.transport.subscribe('afterimage.default.local.app.ack', () => undefined);
    evil.transport.subscribe('_INBOX_local.>', () => undefined);
    const refused = (): unknown[] =>
      evil.statuses.filter(({ type }) => type === 'permission-violation');
    await product.until('the broker refuses all', () => refused().length >= 7);
    await expectGood();
  });

  test("another agent's set: set-owned, and its own set is good", async () => {
    const enrolment = await enrolled('greedy');
    const folder = path.join(product.folder, 'greedy');
    const greedy = agentAt({ folder, enrolment, set: 'app' });
    void greedy.session.start(atStart);
    await product.until('it is told', () => greedy.awayCodes().includes('set-owned'));
    await greedy.session.close();
    await expectGood();
    const own = agentAt({ folder, set: 'greedy-set' });
    await own.session.start(atStart);
    await own.firstSync(pattern(100_000, 2));
    await product.until('its point is cut', () =>
      own.events.some(({ type }) => type === 'committed'),
    );
  });

  test('an enrolment token used twice: identity-unknown', async () => {
    const enrolment = await enrolled('twice');
    const first = agentAt({ folder: path.join(product.folder, 'twice'), enrolment, set: 'twice' });
    await first.session.start(atStart);
    const thief = agentAt({ folder: path.join(product.folder, 'thief'), enrolment, set: 'twice' });
    void thief.session.start(atStart);
    await product.until('it is told', () => thief.awayCodes().includes('identity-unknown'));
    expect(thief.events.some(({ type }) => type === 'hello')).toBe(false);
    expect(first.session.live).toBe(true);
    await expectGood();
  });

  test('a cloned identity: identity-in-use for the one that comes with old tokens', async () => {
    const enrolment = await enrolled('cloned');
    const folder = path.join(product.folder, 'cloned');
    const original = agentAt({ folder, enrolment, set: 'cloned' });
    await original.session.start(atStart);
    const clone = path.join(product.folder, 'clone');
    fs.cpSync(folder, clone, { recursive: true });
    await original.session.close();
    // Tokens turn at each HELLO: after two more the clone's are old.
    for (let hello = 0; hello < 2; hello += 1) {
      const again = agentAt({ folder, set: 'cloned' });
      await again.session.start(atStart);
      await again.firstSync(pattern(10, hello));
      await product.until('its session counts', () => again.events.length > 1);
      await again.session.close();
    }
    const stale = agentAt({ folder: clone, set: 'cloned' });
    void stale.session.start(atStart);
    await product.until('it is told', () => stale.awayCodes().includes('identity-in-use'));
    expect(stale.events.some(({ type }) => type === 'hello')).toBe(false);
    await expectGood();
  });

  test(`altered messages: every one is refused, and the session lives (seed ${seed})`, async () => {
    const random = new Seeded(seed);
    const enrolment = await enrolled('altered');
    const agent = agentAt({
      folder: path.join(product.folder, 'altered'),
      enrolment,
      set: 'altered',
    });
    await agent.session.start(atStart);
    await agent.firstSync(pattern(300_000, 3));
    await product.until('the point is cut', () =>
      agent.events.some(({ type }) => type === 'committed'),
    );
    const valid = agent.sent.filter(({ data }) => data.length > 0);
    expect(valid.length).toBeGreaterThan(1);
    for (let n = 0; n < MUTATIONS; n += 1) {
      const { subject, data } = random.pick(valid);
      agent.transport.publish(subject, mutated(random, data));
    }
    await agent.transport.flush();
    const before = product.pid('replica');
    await expectGood();
    expect(product.pid('replica')).toBe(before);
    expect(agent.session.live).toBe(true);
    const points = await product.points('altered');
    expect(points).toHaveLength(1);
    await product.ok(['verify', 'altered', '--data']);
  });

  test('a session that another one followed: stale messages change nothing', async () => {
    const folder = path.join(product.folder, 'followed');
    const old = agentAt({ folder, enrolment: await enrolled('followed'), set: 'followed' });
    await old.session.start(atStart);
    const begun = { ...old.sent[0] };
    await old.session.close();
    const fresh = agentAt({ folder, set: 'followed' });
    await fresh.session.start(atStart);
    await fresh.firstSync(pattern(50_000, 4));
    await product.until('the point is cut', () =>
      fresh.events.some(({ type }) => type === 'committed'),
    );
    for (const { subject, data } of old.sent) fresh.transport.publish(subject, data);
    expect(begun.subject).toMatch(/\.up$/);
    await fresh.transport.flush();
    expect(await product.points('followed')).toHaveLength(1);
    expect(fresh.awayCodes().filter((code) => code === 'identity-in-use')).toEqual([]);
    await expectGood();
  });
});

/** One of the ways in which bytes come to harm; never the message itself. */
function mutated(random: Seeded, data: Buffer): Buffer {
  const copy = Buffer.from(data);
  const at = random.below(copy.length);
  switch (random.below(5)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy, random.bytes(1 + random.below(50))]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), random.bytes(8), copy.subarray(at)]);
    default:
      // The header's numbers at their bounds.
      copy.fill(0xff, 4 + random.below(20), 30);
      return copy;
  }
}

describe('configurations', () => {
  const wrong: readonly { verb: 'agent' | 'replica'; text: string; says: readonly string[] }[] = [
    {
      verb: 'agent',
      text: [
        'data_folder: 5',
        'enrolment: [x]',
        'log_level: loud',
        'broker: 4222',
        'window_bytes_max: 1 GB',
        'spool_bytes_max: 5',
        'dedup_bytes_max: yes',
        'sets:',
        '  - name: Web',
        '    roots: [srv]',
        '    include: [5]',
        '    exclude: x',
        '    schedule: hourly',
        '    quiesce: {recipe: postgres}',
        '    capture: {source: inotify, watch_files_max: -1, scan_every: 1}',
        '    rounds_max: 0',
        '    colour: red',
      ].join('\n'),
      says: [
        '1: data_folder',
        '2: enrolment',
        '3: log_level',
        '4: broker',
        '5: window_bytes_max',
        '6: spool_bytes_max',
        '7: dedup_bytes_max',
        '9: sets[0].name',
        '10: sets[0].roots[0]',
        '11: sets[0].include[0]',
        '12: sets[0].exclude',
        '13: sets[0].schedule',
        '14: sets[0].quiesce.recipe',
        '15: sets[0].capture.source',
        '15: sets[0].capture.watch_files_max',
        '15: sets[0].capture.scan_every',
        '16: sets[0].rounds_max',
        '17: sets[0].colour',
      ],
    },
    {
      verb: 'replica',
      text: [
        'data_folder: [x]',
        'listen: here',
        'log_level: 3',
        'broker: {url: 5, seed_file: [], listen: x, binary: 1, tls_cert_file: 2, tls_key_file: 3}',
        'tenant: A',
        'restore_roots: [x]',
        'quotas: {set_bytes_max: many, free_bytes_min: -1}',
        'quota: {}',
      ].join('\n'),
      says: [
        '1: data_folder',
        '2: listen',
        '3: log_level',
        '4: broker.url',
        '4: broker.seed_file',
        '4: broker.listen',
        '4: broker.binary',
        '4: broker.tls_cert_file',
        '4: broker.tls_key_file',
        '5: tenant',
        '6: restore_roots[0]',
        '7: quotas.set_bytes_max',
        '7: quotas.free_bytes_min',
        '8: quota',
      ],
    },
  ];

  test.for(wrong)(
    'a wrong configuration of the $verb: exit code 2, with file, line and key of each',
    async ({ verb, text, says }) => {
      const file = path.join(product.folder, `wrong-${verb}.yaml`);
      fs.writeFileSync(file, text);
      const { code, err } = await product.run([verb, '--config', file]);
      expect(code).toBe(2);
      expect(says.filter((said) => !err.includes(`${file}:${said}: `))).toEqual([]);
    },
  );

  test.for([
    { what: 'that is not YAML', write: '{data_folder: [' },
    { what: 'that is not there', write: undefined },
  ])('a configuration $what: exit code 2, with the file', async ({ write }) => {
    const file = path.join(product.folder, 'unreadable.yaml');
    fs.rmSync(file, { force: true });
    if (write !== undefined) fs.writeFileSync(file, write);
    for (const verb of ['agent', 'replica']) {
      const { code, err } = await product.run([verb, '--config', file]);
      expect(code).toBe(2);
      expect(err).toContain(file);
    }
  });
});
