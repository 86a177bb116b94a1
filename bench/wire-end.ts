/** One end of the wire benchmark, run as a process of its own by wire.ts. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import type { AgentIdentity, SetTokens } from '../agent/ship/identity.js';
import { createSetSession } from '../agent/ship/set-session.js';
import { openCatalog } from '../replica/catalog/catalog.js';
import { createReceiver } from '../replica/receive/receiver.js';
import type { SetEvent, SetPort, StagedFrame } from '../replica/receive/set-port.js';
import { FRAME_TARGET_BYTES, BLOCK_BYTES } from '../shared/limits.js';
import { silentLog } from '../shared/log.js';
import type { BlockRecord } from '../shared/protocol/records.js';
import { agentInboxPrefix, replicaInboxPrefix } from '../shared/protocol/subject.js';
import { keyPairOf } from '../shared/seal/key-pair.js';
import { newToken } from '../shared/seal/token.js';
import { createNatsTransport } from '../shared/transport/nats.js';
import type { Transport } from '../shared/transport/transport.js';

/**
 * `framed` and `direct`: the product's session, through the broker and past it; `core`: the client library
 * alone, on a connection of its own.
 */
export type Lane = 'framed' | 'core' | 'direct';

export interface WireSetup {
  readonly role: 'sender' | 'receiver';
  readonly url: string;
  readonly folder: string;
  readonly brokerSeed: string;
  readonly replicaKey: string;
  readonly agentKey: string;
}

/** The receiver gets ready for it and answers at once, the sender when everything has arrived. */
export interface WireTask {
  readonly lane: Lane;
  readonly bytes: number;
}

const WINDOW_BYTES = 4 * 1024 * 1024;
const CORE_UP = 'afterimage.bench.wire.core.up';
const CORE_ACK = 'afterimage.bench.wire.core.ack';
const enrolmentToken = 'bench';

type Work = (task: WireTask) => Promise<void>;

interface Wires {
  readonly transport: Transport;
  readonly plain: NatsConnection;
}

/** Takes frames and lets go of them; a sync is committed when its last frame came. */
class Sink implements SetPort {
  readonly set = 'files';
  readonly #bytes: number;
  readonly #listeners = new Set<(event: SetEvent) => void>();
  #staged = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  position(): ReturnType<SetPort['position']> {
    return {
      point: 0,
      chain: Buffer.alloc(32),
      parentChain: null,
      chainOf: () => null,
      newestSync: null,
      staged: null,
    };
  }

  stage({ boot, sequence, body }: StagedFrame): Promise<void> {
    this.#staged += body.length;
    this.#tell({ type: 'durable', boot, sequence });
    if (this.#staged >= this.#bytes) {
      this.#tell({ type: 'committed', sync: 1, point: 1, chain: Buffer.alloc(32), timeMs: 1 });
    }
    return Promise.resolve();
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }
  has(): Promise<Uint8Array> {
    return Promise.resolve(Buffer.alloc(0));
  }
  signature(): Promise<Uint8Array> {
    return Promise.resolve(Buffer.alloc(0));
  }
  listState(): ReturnType<SetPort['listState']> {
    return Promise.resolve({ records: Buffer.alloc(0), next: null });
  }
  onEvent(listener: (event: SetEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  #tell(event: SetEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function receiverOf({ transport, plain }: Wires, setup: WireSetup): Work {
  let stop = (): void => undefined;
  return async ({ lane, bytes }) => {
    stop();
    if (lane === 'core') {
      stop = acknowledgeCore(plain);
    } else {
      const catalog = openCatalog({ path: ':memory:' });
      catalog.addAgent({
        name: 'wire',
        tenant: 'bench',
        brokerKey: 'none',
        token: enrolmentToken,
        expiresMs: Number.MAX_SAFE_INTEGER,
      });
      const receiver = createReceiver({
        transport,
        tenant: 'bench',
        identity: keyPairOf(Buffer.from(setup.replicaKey, 'base64url')),
        catalog,
        openSet: () => Promise.resolve(new Sink(bytes)),
        direct: {
          host: '127.0.0.1',
          port: 0,
          addresses: (port) => [{ host: '127.0.0.1', port }],
        },
        log: silentLog,
      });
      stop = () => {
        receiver.close();
        catalog.close();
      };
    }
    await Promise.all([transport.flush(), plain.flush()]);
  };
}

/** Says how many messages came, once for those that came together. */
function acknowledgeCore(plain: NatsConnection): () => void {
  let count = 0;
  let scheduled = false;
  const subscription = plain.subscribe(CORE_UP, {
    callback: () => {
      count += 1;
      if (scheduled) return;
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        plain.publish(CORE_ACK, Buffer.from(String(count)));
      });
    },
  });
  return () => {
    subscription.unsubscribe();
  };
}

function senderOf({ transport, plain }: Wires, setup: WireSetup): Work {
  const blocks = Array.from(
    { length: FRAME_TARGET_BYTES / BLOCK_BYTES },
    (_, block): BlockRecord => ({
      type: 'block',
      node: 2,
      block,
      digest: randomBytes(32),
      bytes: randomBytes(BLOCK_BYTES),
    }),
  );
  const payload = Buffer.concat(blocks.map(({ bytes }) => bytes));
  return ({ lane, bytes }) =>
    lane === 'core'
      ? sendCore(plain, payload, bytes)
      : sendFramed(transport, { setup, lane, blocks, bytes });
}

function sendCore(plain: NatsConnection, payload: Buffer, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    const total = Math.ceil(bytes / payload.length);
    let sent = 0;
    const pump = (arrived: number): void => {
      while (sent < total && (sent - arrived + 1) * payload.length <= WINDOW_BYTES) {
        plain.publish(CORE_UP, payload);
        sent += 1;
      }
    };
    const subscription = plain.subscribe(CORE_ACK, {
      callback: (error, message) => {
        if (error !== null) throw error;
        const arrived = Number(message.string());
        if (arrived >= total) {
          subscription.unsubscribe();
          resolve();
        } else {
          pump(arrived);
        }
      },
    });
    pump(0);
  });
}

async function sendFramed(
  transport: Transport,
  work: {
    readonly setup: WireSetup;
    readonly lane: 'framed' | 'direct';
    readonly blocks: readonly BlockRecord[];
    readonly bytes: number;
  },
): Promise<void> {
  const session = createSetSession({
    transport,
    identity: identityOf(work.setup),
    set: 'files',
    windowBytes: WINDOW_BYTES,
    direct: work.lane === 'direct' ? 'auto' : 'never',
    spool: { folder: join(work.setup.folder, 'spool'), bytesMax: 0 },
  });
  const committed = new Promise<void>((resolve) => {
    session.onEvent(({ type }) => {
      if (type === 'committed') resolve();
    });
  });
  const position = {
    point: 0,
    chain: Buffer.alloc(32),
    incarnation: Buffer.alloc(16),
    ended: null,
  };
  await session.start(() => position);
  while (work.lane === 'direct' && session.lane?.lane !== 'direct') await delay(1);
  await session.write({
    type: 'begin',
    sync: 1,
    parentPoint: 0,
    parentChain: Buffer.alloc(32),
    incarnation: Buffer.alloc(16),
    startedMs: 0,
  });
  for (let sent = 0; sent < work.bytes;) {
    for (const block of work.blocks) {
      await session.write(block);
      sent += block.bytes.length;
    }
  }
  await session.write({ type: 'end', sync: 1, outcome: Buffer.from('{}') });
  await committed;
  await session.close();
}

function identityOf(setup: WireSetup): AgentIdentity {
  // a replica that never heard of the set takes any first token
  let tokens: SetTokens = { newest: newToken(), confirmed: null };
  return {
    brokerUrl: setup.url,
    tenant: 'bench',
    agent: 'wire',
    keys: keyPairOf(Buffer.from(setup.agentKey, 'base64url')),
    replicaPublicKey: keyPairOf(Buffer.from(setup.replicaKey, 'base64url')).publicKey,
    brokerSeed: setup.brokerSeed,
    enrolmentToken: () => enrolmentToken,
    enrolled: () => undefined,
    readTokens: () => tokens,
    writeTokens: (_set, next) => {
      tokens = next;
    },
  };
}

async function open(setup: WireSetup): Promise<Wires> {
  const { url, brokerSeed: seed, role } = setup;
  const transport = createNatsTransport({
    url,
    seed,
    name: role,
    inboxPrefix: role === 'sender' ? agentInboxPrefix('wire') : replicaInboxPrefix,
  });
  await new Promise<void>((resolve) => {
    transport.onStatus(({ type }) => {
      if (type === 'connected') resolve();
    });
  });
  const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
  const plain = await connect({ servers: url, name: `${role}-plain`, noEcho: true, authenticator });
  return { transport, plain };
}

function main(): void {
  const setup = JSON.parse(process.argv[2] ?? '{}') as WireSetup;
  const working = open(setup).then((wires) =>
    setup.role === 'sender' ? senderOf(wires, setup) : receiverOf(wires, setup),
  );
  process.once('disconnect', () => {
    process.exit();
  });
  process.on('message', (task: WireTask) => {
    void working.then(async (work) => {
      const startMs = performance.now();
      await work(task);
      process.send?.((performance.now() - startMs) / 1000);
    });
  });
}

main();
