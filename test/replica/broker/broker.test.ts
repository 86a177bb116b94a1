import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '../../../replica/broker/broker.js';
import { brokerConfigText } from '../../../replica/broker/broker-config.js';
import { openCatalog } from '../../../replica/catalog/catalog.js';
import { brokerUsers, enrollAgent } from '../../../replica/catalog/enroll.js';
import { loadOrCreateReplicaIdentity } from '../../../replica/catalog/replica-identity.js';
import { silentLog } from '../../../shared/log.js';
import { agentInboxPrefix, replicaInboxPrefix } from '../../../shared/protocol/subject.js';
import { createNatsTransport } from '../../../shared/transport/nats.js';
import type { Transport, TransportStatus } from '../../../shared/transport/transport.js';
import { until } from '../../agent/ship/wire-rig.js';
import { startTestBroker } from './test-broker.js';

const folder = mkdtempSync(join(tmpdir(), 'afterimage-enrol-'));
const catalog = openCatalog({ path: ':memory:' });
const identity = loadOrCreateReplicaIdentity(folder);
const opened: Transport[] = [];
let broker: Broker | undefined;
let stop: (() => Promise<void>) | undefined;

beforeAll(async () => {
  const started = await startTestBroker(brokerUsers(catalog, identity));
  if (typeof started === 'string') {
    console.warn(`skipped: ${started}`);
    return;
  }
  broker = started.broker;
  stop = () => started.stop();
});
afterAll(async () => {
  for (const transport of opened) await transport.close();
  await stop?.();
  catalog.close();
  rmSync(folder, { recursive: true, force: true });
});

async function connect(seed: string, inboxPrefix: string): Promise<Transport> {
  const transport = createNatsTransport({
    url: broker?.url ?? '',
    seed,
    inboxPrefix,
    name: 'test',
    backoffMs: [5, 50],
  });
  opened.push(transport);
  await until(() => transport.connected);
  return transport;
}

async function enrolled(name: string): Promise<Transport> {
  const { brokerSeed } = await enrollAgent({
    catalog,
    identity,
    tenant: 'acme',
    name,
    brokerUrl: broker?.url ?? '',
    reload: (users) => broker?.reload(users) ?? Promise.resolve(),
  });
  return connect(brokerSeed, agentInboxPrefix(name));
}

function statusesOf(transport: Transport): TransportStatus[] {
  const statuses: TransportStatus[] = [];
  transport.onStatus((status) => statuses.push(status));
  return statuses;
}

describe('broker', () => {
  test('broker: a new agent is let in without dropping those that are connected', async (context) => {
    if (broker === undefined) return context.skip();
    const replica = await connect(identity.brokerSeed, replicaInboxPrefix);
    const first = await enrolled('first');
    const statuses = [statusesOf(replica), statusesOf(first)];
    await enrolled('second');
    await Promise.all([replica.flush(), first.flush()]);
    expect(statuses).toEqual([[], []]);
  });

  test('broker: an agent reaches its own subjects and nothing else', async (context) => {
    if (broker === undefined) return context.skip();
    const replica = await connect(identity.brokerSeed, replicaInboxPrefix);
    const [mine, theirs] = [await enrolled('mine'), await enrolled('theirs')];
    const heard: string[] = [];
    replica.subscribe('afterimage.acme.>', (message) => heard.push(message.subject));
    await replica.flush();
    const statuses = statusesOf(mine);
    mine.publish('afterimage.acme.theirs.files.up', Buffer.from('x'));
    mine.publish('afterimage.acme.mine.files.ack', Buffer.from('x'));
    mine.subscribe('afterimage.acme.theirs.files.ack', () => heard.push('ack of another'));
    mine.subscribe(`${agentInboxPrefix('theirs')}.>`, () => heard.push('inbox of another'));
    mine.subscribe('>', () => heard.push('everything'));
    mine.publish('afterimage.acme.mine.files.up', Buffer.from('x'));
    await until(() => statuses.length >= 5 && heard.length > 0);
    replica.publish('afterimage.acme.theirs.files.ack', Buffer.from('x'));
    await Promise.all([replica.flush(), theirs.flush(), mine.flush()]);
    expect(heard).toEqual(['afterimage.acme.mine.files.up']);
    expect(statuses.map((status) => 'subject' in status && status.subject).sort()).toEqual(
      [
        'afterimage.acme.theirs.files.up',
        'afterimage.acme.mine.files.ack',
        'afterimage.acme.theirs.files.ack',
        `${agentInboxPrefix('theirs')}.>`,
        '>',
      ].sort(),
    );
  });

  test('broker: the replica may answer an agent, once for each question', async (context) => {
    if (broker === undefined) return context.skip();
    const replica = await connect(identity.brokerSeed, replicaInboxPrefix);
    const asker = await enrolled('asker');
    replica.subscribe('afterimage.acme.asker.*.has', (message) => {
      if (message.reply !== undefined) replica.publish(message.reply, Buffer.from('yes'));
    });
    await replica.flush();
    const answer = await asker.request('afterimage.acme.asker.files.has', Buffer.from('?'), 5000);
    expect(Buffer.from(answer).toString()).toBe('yes');
  });

  test('broker: it is started again when it is killed, and clients come back', async (context) => {
    if (broker === undefined) return context.skip();
    const replica = await connect(identity.brokerSeed, replicaInboxPrefix);
    const statuses = statusesOf(replica);
    const before = broker.pid;
    if (before !== undefined) process.kill(before, 'SIGKILL');
    await until(() => statuses.length > 1);
    expect(statuses.map((status) => status.type)).toEqual(['disconnected', 'reconnected']);
    expect(broker.pid).not.toBe(before);
  });

  test('broker: one that others keep from its port is tried ever more seldom, and then comes back', async (context) => {
    if (broker === undefined) return context.skip();
    const endsMs: number[] = [];
    const started = await startTestBroker(brokerUsers(catalog, identity), {
      ...silentLog,
      warn: () => endsMs.push(performance.now()),
    });
    if (typeof started === 'string') return context.skip();
    const own = started.broker;
    const other = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('INFO {}\r\n');
    });
    try {
      if (own.pid !== undefined) process.kill(own.pid, 'SIGKILL');
      await until(() => own.pid === undefined);
      other.listen(Number(new URL(own.url).port), '127.0.0.1');
      await until(() => endsMs.length >= 5);
      expect((endsMs[4] ?? 0) - (endsMs[3] ?? 0)).toBeGreaterThanOrEqual(700);
      await new Promise((resolve) => other.close(resolve));
      const transport = createNatsTransport({
        url: own.url,
        seed: identity.brokerSeed,
        inboxPrefix: replicaInboxPrefix,
        name: 'test',
        backoffMs: [5, 50],
      });
      await until(() => transport.connected);
      await transport.close();
    } finally {
      other.close();
      await started.stop();
    }
  });

  test('broker configuration: an agent that was removed has no user', () => {
    const text = brokerConfigText({
      host: '127.0.0.1',
      port: 4222,
      users: {
        replicaKey: 'UREPLICA',
        agents: [
          { tenant: 'acme', name: 'gone', brokerKey: '' },
          { tenant: 'acme', name: 'here', brokerKey: 'UHERE' },
        ],
      },
      pidFile: '/tmp/pid',
      logFile: '/tmp/log',
    });
    expect(text).toContain('UHERE');
    expect(text).not.toContain('gone');
  });
});
