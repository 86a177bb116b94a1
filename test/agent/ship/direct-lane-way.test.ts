/** Somebody on the way of a direct stream, without any key: what he can do is to cut and to swallow. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { SetSession } from '../../../agent/ship/session.js';
import { encodeHeader, encodeUnsealed, TAG_BYTES } from '../../../shared/protocol/frame.js';
import { encodePiece } from '../../../shared/transport/direct-piece.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { createRig, firstPosition, type Rig, until } from './wire-rig.js';

const directTiming = { dialMs: 300, backoffMs: [50, 400], steadyMs: 5_000 } as const;
const timing = {
  watchdogMs: 150,
  pingMs: 100,
  helloTimeoutMs: 500,
  backoffMinMs: 2,
  backoffMaxMs: 20,
};
const prefix = 'afterimage.acme.web.files.';
const HELLOS_MAX = 10;

let rig: Rig | undefined;
const servers: Server[] = [];
const pairs: { readonly agent: Socket; readonly replica: Socket }[] = [];
afterEach(async () => {
  await rig?.close();
  rig = undefined;
  for (const { agent, replica } of pairs.splice(0))
    for (const one of [agent, replica]) one.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Carries bytes both ways; neither end is told what becomes of the other. */
async function relay(targetPort: () => number | undefined): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (agent) => {
    const replica = connect({ host: '127.0.0.1', port: targetPort() ?? 1, allowHalfOpen: true });
    pairs.push({ agent, replica });
    for (const [from, to] of [
      [agent, replica],
      [replica, agent],
    ] as const) {
      from.on('error', () => undefined);
      from.on('data', (bytes) => to.writable && to.write(bytes));
    }
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function start() {
  const broker = createMemoryBroker();
  const made = createRig({ connect: () => broker.connect() });
  rig = made;
  const port = await relay(() => made.receiver.directPort);
  const addresses = () => [{ host: '127.0.0.1', port }];
  made.startAgain({ direct: { host: '127.0.0.1', port: 0, addresses } });
  await until(() => made.receiver.directPort !== undefined);
  const session = made.session(made.enrol('web'), { timing, directTiming });
  return { made, broker, session };
}

const isDirect = (session: SetSession) => session.live && session.lane?.lane === 'direct';

describe('direct lane, on the way', () => {
  test('direct lane: a stream that only the agent still has is left, not named in one HELLO after another', async () => {
    const { made, broker, session } = await start();
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    broker.down();
    await until(() => !session.live);
    for (const { replica } of pairs) replica.destroy();
    await sleep(50);
    const { hellos } = made.receiver.counters;
    broker.up();
    await until(() => isDirect(session));
    await sleep(500);
    expect(made.receiver.counters.hellos - hellos).toBeLessThan(HELLOS_MAX);
    expect(pairs).toHaveLength(2);
  });

  test('direct lane: a stream that breaks before it was taken is dialled again in the same session', async () => {
    const { made, session } = await start();
    session.hold(true);
    await session.start(() => firstPosition);
    await until(() => made.receiver.counters.directStreams === 1);
    for (const { agent } of pairs) agent.destroy();
    await until(() => made.receiver.counters.directStreams === 2);
    expect(made.receiver.counters.hellos).toBe(1);
    session.hold(false);
    await until(() => isDirect(session));
  });

  test('direct lane: what nobody sealed brings no HELLO', async () => {
    const { made, session } = await start();
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    const { hellos } = made.receiver.counters;
    const stale = encodeUnsealed('stale', Buffer.alloc(0));
    for (let at = 0; at < 100; at += 1) {
      for (const { agent } of pairs) agent.write(pieceOf('ack', { data: stale }));
      await sleep(10);
    }
    expect(made.receiver.counters.hellos).toBe(hellos);
    expect(isDirect(session)).toBe(true);
  });

  test('direct lane: a reply subject in a piece says nothing through the broker', async () => {
    const { made, broker, session } = await start();
    const heard: string[] = [];
    const reply = 'x 0\r\n\r\nUNSUB 1\r\nPUB y';
    broker.connect().subscribe('>', ({ subject }) => heard.push(subject));
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    for (const { replica } of pairs) replica.write(pieceOf('up', { data: strange(), reply }));
    const { counters } = made.receiver;
    await until(() => counters.malformed + counters.stale > 0);
    await sleep(50);
    expect(heard.length).toBeGreaterThan(0);
    expect(heard).not.toContain(reply);
  });
});

function pieceOf(lane: 'ack' | 'up', said: { readonly data: Buffer; readonly reply?: string }) {
  return encodePiece({ kind: 'message', subject: `${prefix}${lane}`, ...said }, prefix);
}

/** A message of a session that nobody has. */
function strange(): Buffer {
  const header = encodeHeader({
    type: 'records',
    compressed: false,
    restart: false,
    session: 'ff'.repeat(8),
    sequence: 1,
    counter: 1,
    recordCount: 0,
    rawLength: 0,
    bodyLength: 0,
  });
  return Buffer.concat([header, Buffer.alloc(TAG_BYTES)]);
}
