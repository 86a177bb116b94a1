/**
 * Frames past the broker, over a stream that goes wrong: nothing is lost, doubled or reordered, what
 * cannot be reached goes through the broker, and the stream is taken again later (R11, R15).
 */
import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { SetSession } from '../../../agent/ship/session.js';
import type { SetSessionOptions } from '../../../agent/ship/set-session.js';
import type { DirectListen } from '../../../replica/receive/direct-lanes.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { TcpProxy, type Trouble } from '../../fault/support/tcp-proxy.js';
import { shipSyncs } from '../../fault/support/ship-syncs.js';
import { Seeded } from '../../support/seeded.js';
import {
  createRig,
  firstPosition,
  incarnation,
  type Rig,
  until,
  watchEvents,
  writeSync,
} from './wire-rig.js';

const seed = Number(process.env['SEED'] ?? 23);
const directTiming = { dialMs: 300, backoffMs: [5, 40], steadyMs: 50 } as const;
const BLACK_HOLE_MS = 20_000;
const timing = {
  watchdogMs: 150,
  pingMs: 200,
  helloTimeoutMs: 500,
  backoffMinMs: 2,
  backoffMaxMs: 20,
};

let rig: Rig | undefined;
const proxies: TcpProxy[] = [];
const servers: Server[] = [];
const troubles: readonly Trouble[] = ['cut', 'stall', 'half-close', 'damage'];
afterEach(async () => {
  await rig?.close();
  rig = undefined;
  for (const proxy of proxies.splice(0)) await proxy.close();
  for (const server of servers.splice(0)) server.close();
});

/** A replica that takes streams, behind a proxy when `proxied`, and an agent's session. */
async function start(
  options: {
    readonly random?: Seeded;
    readonly session?: Partial<SetSessionOptions>;
    readonly addresses?: DirectListen['addresses'];
  } = {},
) {
  const broker = createMemoryBroker();
  const made = createRig({ connect: () => broker.connect() });
  rig = made;
  const target = {
    host: '127.0.0.1',
    get port() {
      return made.receiver.directPort ?? 1;
    },
  };
  const proxy = await TcpProxy.start(target, options.random ?? new Seeded(seed));
  proxies.push(proxy);
  const addresses = options.addresses ?? (() => [{ host: '127.0.0.1', port: proxy.port }]);
  const direct = { host: '127.0.0.1', port: 0, addresses };
  made.startAgain({ direct });
  await until(() => made.receiver.directPort !== undefined);
  const session = made.session(made.enrol('web'), { timing, directTiming, ...options.session });
  return { made, proxy, broker, session, direct };
}

const isDirect = (session: SetSession) => session.live && session.lane?.lane === 'direct';

describe('direct lane', () => {
  test('direct lane: a replica that can be reached is, and frames and acks go past the broker', async () => {
    const { made, broker, session } = await start();
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    await until(() => made.receiver.sessions()[0]?.lane === 'direct');
    const delivered = broker.delivered;
    const names = Array.from({ length: 300 }, (_, at) => `${at}-${'x'.repeat(200)}`);
    await writeSync(session, { number: 1, names });
    await seen.next('committed');
    expect(made.port.committed).toEqual(names);
    expect(made.receiver.counters).toMatchObject({
      directStreams: 1,
      malformed: 0,
      forged: 0,
      gaps: 0,
    });
    // events only: the frames and acknowledgements of the sync are not among them
    expect(broker.delivered - delivered).toBeLessThan(10);
  });

  test('direct lane: an agent that is told never to opens no stream', async () => {
    const { made, proxy, session } = await start({ session: { direct: 'never' } });
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await writeSync(session, { number: 1, names: ['a'] });
    await seen.next('committed');
    expect(session.lane).toEqual({ lane: 'broker', about: 'the configuration says so' });
    expect(proxy.connections).toBe(0);
    expect(made.receiver.sessions()[0]?.lane).toBe('broker');
  });

  test.for([
    'refused port',
    'black hole',
    'another service',
    'no address',
    'no interface',
  ] as const)(
    'direct lane: with %s behind the address, frames go through the broker without a pause',
    async (what) => {
      const { made, proxy, session } = await start(await elsewhere(what));
      if (what === 'black hole') proxy.make('stall');
      const seen = watchEvents(session);
      const startMs = performance.now();
      await session.start(() => firstPosition);
      await writeSync(session, { number: 1, names: ['a', 'b'] });
      await seen.next('committed');
      // a black hole is dialled meanwhile, and for much longer
      expect(performance.now() - startMs).toBeLessThan(BLACK_HOLE_MS);
      expect(made.port.committed).toEqual(['a', 'b']);
      expect(session.lane?.lane).toBe('broker');
      expect(seen.events.filter(({ type }) => type === 'away')).toEqual([]);
      if (what.startsWith('no ') || what === 'black hole') return;
      await until(() => (session.lane?.about ?? '') !== '');
      expect(session.lane?.about).toMatch(/ECONNREFUSED|has not the session/);
    },
  );

  test.for(['cut', 'stall', 'half-close', 'damage', 'all'] as const)(
    `direct lane: syncs arrive whole, once and in order while a proxy makes %s, and the stream is taken again (seed ${seed})`,
    async (trouble) => {
      const random = new Seeded(seed + trouble.length);
      const { made, proxy, session } = await start({
        random,
        session: { windowBytes: 16 * 1024, timing: { ...timing, watchdogMs: 100 } },
      });
      let [calls, troubled, directFrames] = [0, 0, 0];
      const names = 80;
      const shipped = await shipSyncs({
        session,
        syncs: 3,
        names,
        random,
        meanwhile: async () => {
          // else frames may all go through the broker before the stream is taken again
          if (calls % names === 0) await until(() => isDirect(session));
          calls += 1;
          if (isDirect(session)) directFrames += 1;
          // each time a stream is taken, it is let carry a little and then troubled
          if (!isDirect(session) || !random.chance(0.08)) {
            if (random.chance(0.1)) await sleep(3);
            return;
          }
          troubled += 1;
          proxy.make(trouble === 'all' ? random.pick(troubles) : trouble);
          await sleep(random.below(120));
          proxy.heal();
        },
      });
      expect(made.port.committed).toEqual(
        shipped.committed.flat().map((name) => name.slice(0, 255)),
      );
      expect(shipped.diverged).toBe(0);
      expect(troubled).toBeGreaterThan(1);
      expect(directFrames).toBeGreaterThan(0);
      await until(() => isDirect(session));
      // damage may hit frames alone, which are asked for again on the same stream
      const streams = trouble === 'damage' ? 1 : 2;
      expect(made.receiver.counters.directStreams).toBeGreaterThanOrEqual(streams);
    },
  );

  test('direct lane: a stream that swallows everything is left, and taken again when it heals', async () => {
    const { made, proxy, session } = await start();
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    proxy.make('stall');
    await writeSync(session, { number: 1, names: ['a', 'b'] });
    await seen.next('committed');
    expect(session.lane?.lane).toBe('broker');
    expect(made.port.committed).toEqual(['a', 'b']);
    proxy.heal();
    await until(() => isDirect(session));
  });

  test('direct lane: a replica that comes back at another port is found there', async () => {
    const { made, session } = await start({ addresses: (port) => [{ host: '127.0.0.1', port }] });
    const seen = watchEvents(session);
    let position = firstPosition;
    await session.start(() => position);
    await until(() => isDirect(session));
    const before = made.receiver.directPort;
    await session.write({
      type: 'begin',
      sync: 1,
      parentPoint: 0,
      parentChain: Buffer.alloc(32),
      incarnation,
      startedMs: 1,
    });
    for (const name of ['a', 'b', 'c']) {
      await session.write({ type: 'link', parent: 1, name: Buffer.from(name), node: 2 });
      session.flush();
    }
    made.crashReplica();
    const end = { type: 'end', sync: 1, outcome: Buffer.from('{}') } as const;
    position = { ...position, ended: { sync: 1, manifest: session.manifestDigest(end) } };
    await session.write(end);
    await Promise.race([
      seen.next('committed'),
      seen.next('hello', ({ outcome }) => outcome.type === 'roll-forward'),
    ]);
    await until(() => isDirect(session));
    expect(made.receiver.directPort).not.toBe(before);
    expect(made.port.committed).toEqual(['a', 'b', 'c']);
    expect(session.lane?.about).toBe(`127.0.0.1:${made.receiver.directPort ?? 0}`);
  });

  test('direct lane: while the replica takes nothing, no more than the window is under way', async () => {
    const windowBytes = 768 * 1024;
    const { made, session } = await start({
      session: { windowBytes, timing: { ...timing, watchdogMs: 400 } },
    });
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    let open = (): void => undefined;
    made.port.gate = new Promise((resolve) => {
      open = resolve;
    });
    const seen = watchEvents(session);
    const names = Array.from({ length: 20_000 }, () => randomBytes(100).toString('hex'));
    const written = writeSync(session, { number: 1, names });
    await until(() => made.receiver.counters.frameBytes > windowBytes / 2);
    await sleep(1000);
    expect(made.receiver.counters.frameBytes).toBeLessThanOrEqual(windowBytes + 4096);
    // slow is not broken: the stream is still the way
    expect(session.lane?.lane).toBe('direct');
    open();
    await written;
    await seen.next('committed');
    expect(made.port.committed).toEqual(names);
  });

  test('direct lane: a stream that stands is not taken while the application is held', async () => {
    const { made, proxy, session } = await start();
    proxy.make('stall');
    const seen = watchEvents(session);
    await session.start(() => firstPosition);
    session.hold(true);
    proxy.heal();
    await until(() => made.receiver.counters.directStreams > 0);
    await sleep(2 * timing.watchdogMs);
    const hellos = seen.events.filter(({ type }) => type === 'hello').length;
    expect(hellos).toBe(1);
    expect(session.lane?.lane).toBe('broker');
    session.hold(false);
    await until(() => isDirect(session));
    expect(seen.events.filter(({ type }) => type === 'away')).toEqual([]);
  });

  test('direct lane: the broker lost and back leaves the stream as it is', async () => {
    const { made, proxy, broker, session } = await start();
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    const { connections } = proxy;
    broker.down();
    await until(() => !session.live);
    broker.up();
    await until(() => isDirect(session));
    expect(proxy.connections).toBe(connections);
    expect(made.receiver.counters.directStreams).toBe(1);
  });

  test('direct lane: streams of a set end with its sessions when the key is refused (R23)', async () => {
    const { made, session } = await start();
    await session.start(() => firstPosition);
    await until(() => isDirect(session));
    made.catalog.adoptAgent('web', { forgetKey: true });
    await until(() => session.lane?.lane === 'broker');
    expect(made.receiver.sessions()[0]?.silentMs).toBe(Infinity);
  });
});

async function elsewhere(
  what: 'refused port' | 'black hole' | 'another service' | 'no address' | 'no interface',
): Promise<Parameters<typeof start>[0]> {
  if (what === 'no address') return { addresses: () => [] };
  if (what === 'no interface') {
    return {
      addresses: () => {
        throw new Error('uv_interface_addresses');
      },
    };
  }
  if (what === 'black hole') {
    return { session: { directTiming: { ...directTiming, dialMs: BLACK_HOLE_MS } } };
  }
  if (what === 'refused port') return { addresses: () => [{ host: '127.0.0.1', port: 1 }] };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(Buffer.alloc(200, 'SSH-2.0 '));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  return { addresses: () => [{ host: '127.0.0.1', port }] };
}
