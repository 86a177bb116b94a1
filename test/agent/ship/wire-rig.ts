/**
 * Both ends of the wire around one transport: a real session, a real receiver, a real catalog in
 * memory, a fake set. Times are short so that breaks heal in milliseconds.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadIdentity, type AgentIdentity } from '../../../agent/ship/identity.js';
import type { AgentPosition, SessionEvent, SetSession } from '../../../agent/ship/session.js';
import { createSetSession, type SetSessionOptions } from '../../../agent/ship/set-session.js';
import { openCatalog } from '../../../replica/catalog/catalog.js';
import { createReceiver, type ReceiverOptions } from '../../../replica/receive/receiver.js';
import type { OpenSet } from '../../../replica/receive/set-port.js';
import { silentLog } from '../../../shared/log.js';
import { generateKeyPair, rawPrivate } from '../../../shared/seal/key-pair.js';
import { writeSecretFile } from '../../../shared/seal/secret-file.js';
import { newToken, TokenMint } from '../../../shared/seal/token.js';
import type { Transport } from '../../../shared/transport/transport.js';
import { FakeSet, type FakeSetOptions } from '../../replica/receive/fake-set.js';

export const quickTiming = {
  watchdogMs: 120,
  pingMs: 200,
  helloTimeoutMs: 500,
  backoffMinMs: 2,
  backoffMaxMs: 20,
};

export const incarnation = Buffer.alloc(16, 9);

export type Rig = ReturnType<typeof createRig>;

/** `connect` gives each end its own transport. */
export function createRig(options: {
  readonly connect: (who: 'agent' | 'replica') => Transport;
  readonly set?: FakeSetOptions;
}) {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-wire-'));
  const replicaKeys = generateKeyPair();
  const tokenKeys = [randomBytes(32)];
  const catalog = openCatalog({ path: ':memory:', tokenKeys });
  let port = new FakeSet('files', options.set);
  const owners = new Map<string, string>();
  const openSet: OpenSet = ({ set, agent }) => {
    if (set === 'files') catalog.claimSet({ set, agent });
    owners.set(set, agent);
    return Promise.resolve(port);
  };

  const startReceiver = (more: Partial<ReceiverOptions> = {}) =>
    createReceiver({
      transport: options.connect('replica'),
      tenant: 'acme',
      identity: replicaKeys,
      catalog,
      openSet,
      log: silentLog,
      beatMs: 25,
      ...more,
    });
  let receiver = startReceiver();
  let more: Partial<ReceiverOptions> = {};
  const sessions: SetSession[] = [];

  return {
    folder,
    catalog,
    /** Makes tokens as the catalog would. */
    mint: new TokenMint(tokenKeys),
    replicaKeys,
    startReceiver,
    get receiver() {
      return receiver;
    },
    get port() {
      return port;
    },
    /** The replica's process ends and comes back with other options. */
    startAgain(others: Partial<ReceiverOptions>) {
      more = others;
      receiver.close();
      receiver = startReceiver(more);
    },
    /** The replica's process dies and comes back; what was not durable is gone. */
    crashReplica() {
      receiver.close();
      port = port.crash();
      receiver = startReceiver(more);
    },
    enrol(agent: string, name = agent): AgentIdentity {
      const token = newToken();
      catalog.addAgent({
        name: agent,
        tenant: 'acme',
        brokerKey: 'U',
        token,
        expiresMs: Date.now() + 60_000,
      });
      const place = join(folder, name);
      writeSecretFile(join(place, 'identity.json'), {
        format: 1,
        brokerUrl: 'nats://127.0.0.1',
        tenant: 'acme',
        agent,
        privateKey: rawPrivate(generateKeyPair()).toString('base64url'),
        replicaPublicKey: replicaKeys.publicKey.toString('base64url'),
        brokerSeed: '',
        enrolmentToken: token,
      });
      return loadIdentity(place);
    },
    session(identity: AgentIdentity, more: Partial<SetSessionOptions> = {}) {
      const session = createSetSession({
        transport: more.transport ?? options.connect('agent'),
        identity,
        set: 'files',
        spool: { folder: join(folder, 'spool'), bytesMax: 64 * 1024 * 1024 },
        timing: quickTiming,
        ...more,
      });
      sessions.push(session);
      return session;
    },
    async close() {
      for (const session of sessions) await session.close();
      receiver.close();
      catalog.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const firstPosition: AgentPosition = {
  point: 0,
  chain: Buffer.alloc(32),
  incarnation,
  ended: null,
};

/** Events of a session, and a promise for the next that fits. */
export function watchEvents(session: SetSession) {
  const events: SessionEvent[] = [];
  const waiters: { fits: (event: SessionEvent) => boolean; resolve: (e: SessionEvent) => void }[] =
    [];
  session.onEvent((event) => {
    events.push(event);
    for (const [index, waiter] of [...waiters.entries()].reverse()) {
      if (!waiter.fits(event)) continue;
      waiters.splice(index, 1);
      waiter.resolve(event);
    }
  });
  return {
    events,
    /** The first event that fits, also one that has already come. */
    next<T extends SessionEvent['type']>(
      type: T,
      fits: (event: Extract<SessionEvent, { type: T }>) => boolean = () => true,
    ): Promise<Extract<SessionEvent, { type: T }>> {
      const isIt = (event: SessionEvent): event is Extract<SessionEvent, { type: T }> =>
        event.type === type && fits(event as Extract<SessionEvent, { type: T }>);
      const come = events.find(isIt);
      if (come !== undefined) return Promise.resolve(come);
      return new Promise((resolve) => {
        waiters.push({
          fits: isIt,
          resolve: (event) => {
            resolve(event as Extract<SessionEvent, { type: T }>);
          },
        });
      });
    },
  };
}

/** Writes a whole sync whose links are named; returns its manifest digest. */
export async function writeSync(
  session: SetSession,
  sync: { readonly number: number; readonly names: readonly string[]; readonly parent?: number },
): Promise<Buffer> {
  await session.write({
    type: 'begin',
    sync: sync.number,
    parentPoint: sync.parent ?? 0,
    parentChain: Buffer.alloc(32),
    incarnation,
    startedMs: 1,
  });
  for (const [index, name] of sync.names.entries()) {
    await session.write({ type: 'link', parent: 1, name: Buffer.from(name), node: index + 2 });
  }
  const end = { type: 'end', sync: sync.number, outcome: Buffer.from('{}') } as const;
  const manifest = session.manifestDigest(end);
  await session.write(end);
  return manifest;
}

/** Resolves when `holds` does; looks at it after every turn of the event loop. */
export async function until(holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
