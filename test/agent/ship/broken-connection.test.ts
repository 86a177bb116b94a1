/**
 * The session over a real broker through a TCP connection that goes wrong: what is acknowledged
 * arrives once and in order, and nothing waits for ever (R11, R15).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enrolIdentity } from '../../../agent/ship/identity.js';
import { createSetSession } from '../../../agent/ship/set-session.js';
import type { Broker } from '../../../replica/broker/broker.js';
import { type Catalog, openCatalog } from '../../../replica/catalog/catalog.js';
import { brokerUsers, enrollAgent } from '../../../replica/catalog/enroll.js';
import { loadOrCreateReplicaIdentity } from '../../../replica/catalog/replica-identity.js';
import { createReceiver, type Receiver } from '../../../replica/receive/receiver.js';
import { silentLog } from '../../../shared/log.js';
import { agentInboxPrefix, replicaInboxPrefix } from '../../../shared/protocol/subject.js';
import { createNatsTransport } from '../../../shared/transport/nats.js';
import type { Transport } from '../../../shared/transport/transport.js';
import { shipSyncs } from '../../fault/support/ship-syncs.js';
import { TcpProxy, type Trouble } from '../../fault/support/tcp-proxy.js';
import { startTestBroker } from '../../replica/broker/test-broker.js';
import { FakeSet } from '../../replica/receive/fake-set.js';
import { Seeded } from '../../support/seeded.js';

const seed = Number(process.env['SEED'] ?? 17);
const troubles: readonly (Trouble | 'all')[] = [
  'cut',
  'stall',
  'delay',
  'half-close',
  'damage',
  'all',
];
const folder = mkdtempSync(join(tmpdir(), 'afterimage-proxied-'));
const identity = loadOrCreateReplicaIdentity(join(folder, 'replica'));
const catalog: Catalog = openCatalog({ path: join(folder, 'catalog.db') });
const ports = new Map<string, FakeSet>();
const transports: Transport[] = [];
const proxies: TcpProxy[] = [];
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
    transport: transportAt(started.broker.url, identity.brokerSeed, replicaInboxPrefix),
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
  for (const proxy of proxies) await proxy.close();
  await stopBroker?.();
  catalog.close();
  rmSync(folder, { recursive: true, force: true });
});

function transportAt(url: string, brokerSeed: string, inboxPrefix: string): Transport {
  const transport = createNatsTransport({
    url,
    seed: brokerSeed,
    inboxPrefix,
    name: 'test',
    backoffMs: [5, 50],
  });
  transports.push(transport);
  return transport;
}

describe('session through a connection that goes wrong', () => {
  test.for(troubles)(
    `wire: syncs arrive whole, once and in order while a proxy makes %s (seed ${seed})`,
    async (trouble, context) => {
      if (broker === undefined) {
        console.warn('skipped: there is no broker here');
        return context.skip();
      }
      const random = new Seeded(seed + troubles.indexOf(trouble));
      const { hostname, port } = new URL(broker.url);
      const proxy = await TcpProxy.start({ host: hostname, port: Number(port) }, random);
      proxies.push(proxy);
      const name = `web-${trouble}`;
      const file = join(folder, `${name}.json`);
      await enrollAgent({
        catalog,
        identity,
        tenant: 'acme',
        name,
        brokerUrl: `nats://127.0.0.1:${proxy.port}`,
        file,
        reload: (users) => broker?.reload(users) ?? Promise.resolve(),
      });
      const own = enrolIdentity({ enrolmentFile: file, folder: join(folder, name) });
      const session = createSetSession({
        transport: transportAt(own.brokerUrl, own.brokerSeed, agentInboxPrefix(name)),
        identity: own,
        set: name,
        spool: { folder: join(folder, 'spool'), bytesMax: 1e8 },
        windowBytes: 16 * 1024,
        timing: { watchdogMs: 400, pingMs: 500, helloTimeoutMs: 2000, backoffMaxMs: 100 },
      });
      let troubled = 0;
      const shipped = await shipSyncs({
        session,
        syncs: 2,
        names: 60,
        random,
        meanwhile: async () => {
          if (!random.chance(0.04)) return;
          troubled += 1;
          proxy.make(trouble === 'all' ? random.pick(['cut', 'stall', 'damage']) : trouble);
          await sleep(random.below(60));
          proxy.heal();
        },
      });
      const wanted = shipped.committed.flat().map((text) => text.slice(0, 255));
      expect(ports.get(name)?.committed).toEqual(wanted);
      expect(shipped.diverged).toBe(0);
      expect(troubled).toBeGreaterThan(0);
      await session.close();
    },
  );
});
