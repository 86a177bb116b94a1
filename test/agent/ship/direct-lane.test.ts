/**
 * Frames past the broker, over a stream that goes wrong: nothing is lost, doubled or reordered, what
 * cannot be reached goes through the broker, and the stream is taken again later (R11, R15).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { SetSession } from '../../../agent/ship/session.js';
import type { SetSessionOptions } from '../../../agent/ship/set-session.js';
import type { DirectListen } from '../../../replica/receive/direct-lanes.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { TcpProxy, type Trouble } from '../../fault/support/tcp-proxy.js';
import { shipSyncs } from '../../fault/support/ship-syncs.js';
import { Seeded } from '../../support/seeded.js';
import { createRig, firstPosition, type Rig, until, watchEvents, writeSync } from './wire-rig.js';

const seed = Number(process.env['SEED'] ?? 23);
const directTiming = { dialMs: 300, backoffMs: [5, 40], steadyMs: 50 } as const;
const timing = {
  watchdogMs: 150,
  pingMs: 200,
  helloTimeoutMs: 500,
  backoffMinMs: 2,
  backoffMaxMs: 20,
};

let rig: Rig | undefined;
const proxies: TcpProxy[] = [];
afterEach(async () => {
  await rig?.close();
  rig = undefined;
  for (const proxy of proxies.splice(0)) await proxy.close();
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
});
