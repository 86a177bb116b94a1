/** Keys of agent and replica change without a new first copy, and the old ones are refused (R23). */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fromSeed } from 'nkeys.js';
import { afterEach, describe, expect, test } from 'vitest';
import { loadIdentity } from '../../../agent/ship/identity.js';
import { generateKeyPair } from '../../../shared/seal/key-pair.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import {
  createRig,
  firstPosition,
  quickTiming,
  type Rig,
  until,
  watchEvents,
  writeSync,
} from './wire-rig.js';

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

function memoryRig() {
  const broker = createMemoryBroker();
  const made = createRig({ connect: () => broker.connect() });
  rig = made;
  return { broker, rig: made };
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const actions = (made: Rig) =>
  made.catalog
    .listAudit(50)
    .map(({ action }) => action)
    .reverse();

describe('key rotation', () => {
  test('keys: an agent that is asked for new ones changes them, and its sets go on', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session(identity);
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await writeSync(session, { number: 1, names: ['one'] });
    await seen.next('committed');
    const before = base64(identity.keys.publicKey);
    const beforeSeed = identity.brokerSeed;
    cpSync(join(rig.folder, 'web'), join(rig.folder, 'thief'), { recursive: true });

    rig.catalog.keys.ask('web', 'agent-and-broker');
    await until(() => actions(rig).includes('change-key'));
    await until(() => base64(identity.keys.publicKey) !== before && session.live);
    const position = { ...firstPosition, ...rig.port.position() };
    expect(position.point).toBe(1);
    await writeSync(session, { number: 2, names: ['two'], parent: 1 });
    await seen.next('committed', (event) => event.sync === 2);
    expect(rig.port.committed).toEqual(['one', 'two']);
    expect(seen.events.some((event) => event.type === 'refused')).toBe(false);

    // the broker user changed with it, and what is stored is what is used
    expect(identity.brokerSeed).not.toBe(beforeSeed);
    const [agent] = rig.catalog.listAgents();
    expect(agent?.brokerKey).toBe(fromSeed(Buffer.from(identity.brokerSeed)).getPublicKey());
    expect(base64(loadIdentity(join(rig.folder, 'web')).keys.publicKey)).toBe(
      base64(identity.keys.publicKey),
    );
    expect(rig.catalog.keys.asked('web')).toBeUndefined();

    // whoever has the old key is not let in, whatever tokens it has
    const thief = rig.session(loadIdentity(join(rig.folder, 'thief')));
    const seenByThief = watchEvents(thief);
    void thief.start(() => position);
    const away = await seenByThief.next('away');
    expect(away.error.code).toBe('identity-unknown');
    expect(session.live).toBe(true);
  });

  test('keys: sessions under the old key end when the new one is in force', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session(identity);
    await session.start(() => firstPosition);
    const other = rig.session(identity, { set: 'other', timing: { watchdogMs: 1e6, pingMs: 1e6 } });
    await other.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 2);
    const { sessions } = rig.receiver.counters;
    rig.catalog.keys.ask('web', 'agent');
    await until(() => actions(rig).includes('change-key'));
    const fenced = () =>
      rig.receiver.sessions().filter(({ silentMs }) => silentMs === Infinity).length;
    await until(() => rig.receiver.counters.sessions > sessions);
    await until(() => fenced() <= 1);
    // it says HELLO as soon as it says anything at all
    await until(() => {
      other.flush();
      return rig.receiver.sessions().every(({ live }) => live) || fenced() === 1;
    });
    expect(rig.receiver.counters.forged).toBe(0);
  });

  test('keys: a session under a key that the operator takes away ends, whatever its agent does', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const calm = { watchdogMs: 1e6, pingMs: 1e6 };
    const session = rig.session(identity, { timing: calm });
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions >= 1);
    rig.catalog.adoptAgent('web', { forgetKey: true });
    await until(() => rig.receiver.sessions().every(({ silentMs }) => silentMs === Infinity));
    expect(rig.receiver.counters.sessions).toBe(1);
  });

  test('keys: a session whose key is replaced between its HELLO and its first use never begins', async () => {
    const { rig, broker } = memoryRig();
    const identity = rig.enrol('web');
    const transport = broker.connect();
    const publish = transport.publish.bind(transport);
    const held: (() => void)[] = [];
    transport.publish = (subject, data, reply) => {
      if (subject.endsWith('.up'))
        held.push(() => {
          publish(subject, data, reply);
        });
      else publish(subject, data, reply);
    };
    const timing = { watchdogMs: 1e6, pingMs: 1e6 };
    const session = rig.session(identity, { transport, timing });
    await session.start(() => firstPosition);
    const next = generateKeyPair().publicKey;
    rig.catalog.keys.take('web', { publicKey: base64(next), brokerKey: null });
    rig.catalog.keys.confirm('web', next);
    for (const send of held) send();
    await until(() => rig.receiver.counters.stale > 0);
    expect(rig.receiver.counters.sessions).toBe(0);
  });

  test('keys: an agent that dies at any step of the change comes in again', async () => {
    const { rig } = memoryRig();
    for (const [step, action] of ['ask-keys', 'next-key', 'change-key'].entries()) {
      const name = `web-${step}`;
      rig.enrol(name);
      const folder = join(rig.folder, name);
      const first = rig.session(loadIdentity(folder), { set: name });
      await first.start(() => firstPosition);
      rig.catalog.keys.ask(name, 'agent-and-broker');
      await until(() =>
        rig.catalog.listAudit(99).some((r) => r.subject === name && r.action === action),
      );
      await first.close();
      // longer than the replica waits for a process that may still live
      const timing = { ...quickTiming, helloTimeoutMs: 5000 };
      const again = rig.session(loadIdentity(folder), { set: name, timing });
      await again.start(() => firstPosition);
      await until(() =>
        rig.catalog.listAudit(99).some((r) => r.subject === name && r.action === 'change-key'),
      );
      await until(() => again.live);
      const stored = loadIdentity(folder);
      await until(() => rig.catalog.keys.asked(name) === undefined);
      expect(stored.rotation?.helloKeys().length).toBeGreaterThan(0);
      await again.close();
    }
  });

  test('keys: a replica out of a copy from before the change still knows the agent', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session(identity);
    await session.start(() => firstPosition);
    const old = { publicKey: base64(identity.keys.publicKey), brokerKey: null };
    rig.catalog.keys.ask('web', 'agent');
    await until(() => actions(rig).includes('change-key') && session.live);
    const newest = base64(identity.keys.publicKey);
    expect(newest).not.toBe(old.publicKey);
    // the replica knows what it knew before: only the old key
    rig.catalog.keys.take('web', old);
    rig.catalog.keys.confirm('web', Buffer.from(old.publicKey, 'base64url'));
    rig.crashReplica();
    await until(() => rig.catalog.keys.isInForce('web', Buffer.from(newest, 'base64url')));
    await until(() => session.live);
    expect(base64(identity.keys.publicKey)).toBe(newest);
  });

  test('keys: a new key of the replica is learnt under its old one, which can then go', async () => {
    const { rig } = memoryRig();
    const identity = rig.enrol('web');
    const session = rig.session(identity);
    await session.start(() => firstPosition);
    await until(() => rig.receiver.counters.sessions > 0);
    rig.receiver.close();
    const newest = generateKeyPair();
    const renewed = rig.startReceiver({
      identity: newest,
      olderIdentities: () => [rig.replicaKeys],
    });
    await until(() => rig.catalog.keys.behind(newest.publicKey).length === 0);
    expect(base64(identity.replicaPublicKey)).toBe(base64(newest.publicKey));
    renewed.close();
    const alone = rig.startReceiver({ identity: newest });
    await until(() => alone.counters.sessions > 0 && session.live);
    expect(base64(loadIdentity(join(rig.folder, 'web')).replicaPublicKey)).toBe(
      base64(newest.publicKey),
    );
    alone.close();
    // the old one is believed no more
    const imposter = rig.startReceiver({ identity: rig.replicaKeys });
    const seen = watchEvents(session);
    await seen.next('away', ({ error }) => error.code === 'identity-unknown');
    expect(imposter.counters.sessions).toBe(0);
    imposter.close();
  });

  test('keys: an agent cannot take the broker user of another', () => {
    const { rig } = memoryRig();
    const taken = fromSeed(Buffer.from(rig.enrol('mail').brokerSeed || seedOf())).getPublicKey();
    rig.catalog.addAgent({
      name: 'mail',
      tenant: 'acme',
      brokerKey: taken,
      token: 't',
      expiresMs: 0,
    });
    rig.enrol('web');
    rig.catalog.keys.ask('web', 'agent-and-broker');
    const next = { publicKey: base64(generateKeyPair().publicKey), brokerKey: taken };
    expect(() => {
      rig.catalog.keys.take('web', next);
    }).toThrow(expect.objectContaining({ code: 'identity-unknown' }));
    expect(() => {
      rig.catalog.keys.take('web', { ...next, brokerKey: `U${'A'.repeat(55)}` });
    }).toThrow(expect.objectContaining({ code: 'frame-malformed' }));
  });
});

function seedOf(): string {
  return 'SUAGMJH5XLGZKQQWAWKRZJIGMOU4HPFUYLXJMXOO5NLFEO2OOQJ5LPRDPM';
}
