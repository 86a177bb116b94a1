/** One end of a direct stream against another that does not behave. */
import { type AddressInfo, connect, createServer, Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { AimedSocket } from '../../../shared/transport/aimed-socket.js';
import { openDirectDoor } from '../../../shared/transport/direct-door.js';
import { DirectEnd } from '../../../shared/transport/direct-end.js';
import { encodePiece } from '../../../shared/transport/direct-piece.js';
import { until } from '../../agent/ship/wire-rig.js';

const closes: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});

/** Both ends of a connection; nothing reads from `far` until somebody does. */
async function connected(): Promise<{ readonly near: AimedSocket; readonly far: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  closes.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const came = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as AddressInfo;
  const near = AimedSocket.connecting((onread) => connect({ host: '127.0.0.1', port, onread }));
  const far = await came;
  for (const socket of [near.socket, far]) {
    socket.on('error', () => undefined);
    closes.push(() => socket.destroy());
  }
  return { near, far };
}

describe('direct end', () => {
  test('direct end: one who asks and reads nothing costs no more than the bound', async () => {
    const { near, far } = await connected();
    const end = new DirectEnd({ prefix: '' });
    end.attach(near);
    const pings = Buffer.concat(Array(8192).fill(encodePiece({ kind: 'ping' }, '')));
    let peakBytes = 0;
    for (let at = 0; end.connected && at < 200; at += 1) {
      await new Promise((resolve) => far.write(pings, resolve));
      peakBytes = Math.max(peakBytes, end.queuedBytes);
    }
    // eight bytes each; what the system buffers comes before them
    expect(peakBytes).toBeLessThan(1024 * 1024);
    expect(end.connected).toBe(false);
    expect(end.whyBroken).toMatch(/reads nothing/);
  });

  test('direct end: what it wrote and the other read counts no more', async () => {
    const { near, far } = await connected();
    const end = new DirectEnd({ prefix: '' });
    end.attach(near);
    far.resume();
    for (let round = 0; round < 10; round += 1) {
      for (let at = 0; at < 10_000; at += 1) end.publish('a', Buffer.alloc(1));
      await new Promise((resolve) => setImmediate(resolve));
      await until(() => end.queuedBytes === 0);
    }

    expect(end.connected).toBe(true);
  });

  test('direct end: a connection that was gone before it is given is a break', async () => {
    const { near } = await connected();
    near.socket.destroy();
    await until(() => near.socket.closed);
    const end = new DirectEnd({ prefix: '' });
    const told: string[] = [];
    end.onStatus(({ type }) => told.push(type));
    end.attach(near);
    expect(end.connected).toBe(false);
    expect(told).toEqual(['connected', 'disconnected']);
  });

  test('direct end: closed, it does not wait for ever for one who never closes', async () => {
    const { near, far } = await connected();
    far.resume();
    const end = new DirectEnd({ prefix: '' });
    end.attach(near);
    await end.close();
    await until(() => near.socket.destroyed, 3_000);
  });

  test('direct door: what the system cannot take is counted, and ends nothing', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    closes.push(() => {
      listen.mockRestore();
    });
    const refused: string[] = [];
    const door = await openDirectDoor({
      host: '127.0.0.1',
      port: 0,
      admit: () => undefined,
      onStream: () => undefined,
      onRefused: ({ message }) => refused.push(message),
    });
    closes.push(() => door.close());
    const server = listen.mock.contexts[0] as Server;
    for (let at = 0; at < 3; at += 1) server.emit('error', new Error('accept EMFILE'));
    expect(refused).toHaveLength(3);
  });
});
