/** The session over a real broker, with the agent enrolled as an operator does it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enrolIdentity } from '../../../agent/ship/identity.js';
import { createSetSession } from '../../../agent/ship/set-session.js';
import type { Broker } from '../../../replica/broker/broker.js';
import { type Catalog, openCatalog } from '../../../replica/catalog/catalog.js';
import { brokerUsers, enrollAgent } from '../../../replica/catalog/enroll.js';
import { loadOrCreateReplicaIdentity } from '../../../replica/catalog/replica-identity.js';
import { createReceiver, type Receiver } from '../../../replica/receive/receiver.js';
import { silentLog } from '../../../shared/log.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { agentInboxPrefix, replicaInboxPrefix } from '../../../shared/protocol/subject.js';
import { createNatsTransport } from '../../../shared/transport/nats.js';
import type { Transport } from '../../../shared/transport/transport.js';
import { startTestBroker } from '../../replica/broker/test-broker.js';
import { FakeSet } from '../../replica/receive/fake-set.js';
import { firstPosition, incarnation, quickTiming, until, watchEvents } from './wire-rig.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-real-'));
const identity = loadOrCreateReplicaIdentity(join(folder, 'replica'));
const catalog: Catalog = openCatalog({ path: join(folder, 'catalog.db') });
const ports = new Map<string, FakeSet>();
const transports: Transport[] = [];
let broker: Broker | undefined;
let receiver: Receiver | undefined;
let stopBroker: (() => Promise<void>) | undefined;

beforeAll(async () => {
  const started = await startTestBroker(brokerUsers(catalog, identity));
  if (typeof started === 'string') {
    console.warn(`skipped: ${started}`);
    return;
  }
  broker = started.broker;
  stopBroker = () => started.stop();
  receiver = createReceiver({
    transport: transportOf(identity.brokerSeed, replicaInboxPrefix),
    tenant: 'acme',
    identity: identity.keys,
    catalog,
    openSet: ({ set, agent }) => {
      catalog.claimSet({ set, agent });
      const port = ports.get(set) ?? new FakeSet(set, { durableEvery: 4 });
      ports.set(set, port);
      return Promise.resolve(port);
    },
    log: silentLog,
    beatMs: 50,
  });
});

afterAll(async () => {
  receiver?.close();
  for (const transport of transports) await transport.close();
  await stopBroker?.();
  catalog.close();
  rmSync(folder, { recursive: true, force: true });
});

function transportOf(seed: string, inboxPrefix: string): Transport {
  const url = broker?.url ?? '';
  const transport = createNatsTransport({
    url,
    seed,
    inboxPrefix,
    name: 'test',
    backoffMs: [5, 50],
  });
  transports.push(transport);
  return transport;
}

async function agentOf(name: string) {
  const file = join(folder, `${name}.json`);
  await enrollAgent({
    catalog,
    identity,
    tenant: 'acme',
    name,
    brokerUrl: broker?.url ?? '',
    file,
    reload: (users) => broker?.reload(users) ?? Promise.resolve(),
  });
  const own = enrolIdentity({ enrolmentFile: file, folder: join(folder, name) });
  return { own, transport: transportOf(own.brokerSeed, agentInboxPrefix(name)) };
}

const spool = { folder: join(folder, 'spool'), bytesMax: 256 * 1024 * 1024 };
const begin = {
  type: 'begin',
  sync: 1,
  parentPoint: 0,
  parentChain: Buffer.alloc(32),
  incarnation,
  startedMs: 1,
} as const;

describe('session over a real broker', () => {
  test('wire: a broker killed again and again loses, doubles and reorders nothing', async (context) => {
    if (broker === undefined) return context.skip();
    const { own, transport } = await agentOf('killed');
    const session = createSetSession({
      transport,
      identity: own,
      set: 'killed-files',
      spool,
      timing: { ...quickTiming, watchdogMs: 400 },
    });
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await session.write(begin);
    const bytes = randomBytes(BLOCK_BYTES);
    const blocks = 600;
    let kills = 0;
    for (let block = 0; block < blocks; block += 1) {
      await session.write({ type: 'block', node: 2, block, digest: Buffer.alloc(32), bytes });
      if (block % 200 === 100) {
        await until(() => session.live && broker?.pid !== undefined);
        const { pid } = broker;
        if (pid === undefined) continue;
        process.kill(pid, 'SIGKILL');
        kills += 1;
      }
    }
    await session.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') });
    await Promise.race([
      seen.next('committed'),
      seen.next('hello', ({ outcome }) => outcome.type !== 'go-on'),
    ]);
    const port = ports.get('killed-files');
    expect(kills).toBe(3);
    expect(port?.blocks.map((block) => block.block)).toEqual(
      Array.from({ length: blocks }, (_, block) => block),
    );
    const sequences = port?.frames.map((frame) => Number(frame.split('/')[1])) ?? [];
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    expect(seen.events.some((event) => event.type === 'away')).toBe(true);
    await session.close();
  });

  test('wire: an agent that is started before the broker and the replica gets its HELLO later', async (context) => {
    if (broker === undefined) return context.skip();
    const { own, transport } = await agentOf('early');
    const away = createNatsTransport({ url: 'nats://127.0.0.1:1', name: 'away' });
    transports.push(away);
    const lost = createSetSession({ transport: away, identity: own, set: 'early-files', spool });
    const seen = watchEvents(lost);
    void lost.start(() => firstPosition);
    expect((await seen.next('away')).error.code).toBe('broker-unreachable');
    await lost.close();
    const session = createSetSession({
      transport,
      identity: own,
      set: 'early-files',
      spool,
      timing: quickTiming,
    });
    expect(await session.start(() => firstPosition)).toEqual({ type: 'go-on', resumed: false });
    expect(await session.has(Buffer.alloc(32, 3))).toEqual(Uint8Array.of(1));
    await session.close();
  });

  test('wire: a session under a name that is not the broker user’s hears of the violation', async (context) => {
    if (broker === undefined) return context.skip();
    const { own, transport } = await agentOf('honest');
    const session = createSetSession({
      transport,
      identity: { ...own, agent: 'victim' },
      set: 'stolen',
      spool,
      timing: quickTiming,
    });
    const seen = watchEvents(session);
    void session.start(() => firstPosition);
    const event = await seen.next('away', ({ error }) => error.code === 'permission-violation');
    expect(event.error.facts['subject']).toContain('afterimage.acme.victim.stolen');
    expect(ports.has('stolen')).toBe(false);
    await session.close();
  });

  test('wire: sessions of several sets go on beside one that is stuck', async (context) => {
    if (broker === undefined) return context.skip();
    const { own, transport } = await agentOf('several');
    const [stuck, free] = ['stuck-files', 'free-files'].map((set) =>
      createSetSession({ transport, identity: own, set, spool, timing: quickTiming }),
    );
    if (stuck === undefined || free === undefined) throw new Error('two sessions');
    await Promise.all([stuck, free].map((session) => session.start(() => firstPosition)));
    const port = ports.get('stuck-files');
    await until(() => port !== undefined);
    if (port !== undefined) port.gate = new Promise(() => undefined);
    await stuck.write(begin);
    stuck.flush();
    const seen = watchEvents(free);
    await free.write(begin);
    await free.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') });
    await seen.next('committed');
    expect(port?.frames).toEqual([]);
    await Promise.all([stuck.close(), free.close()]);
  });
});
