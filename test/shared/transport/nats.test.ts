/**
 * The same contract over a real broker. Its configuration knows agents by name only, so the client
 * with other permissions is written into the file by hand.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateBroker } from '../../../replica/broker/locate.js';
import { newBrokerUser } from '../../../replica/catalog/replica-identity.js';
import { AfterimageError } from '../../../shared/errors.js';
import { silentLog } from '../../../shared/log.js';
import { createNatsTransport } from '../../../shared/transport/nats.js';
import type { Transport } from '../../../shared/transport/transport.js';
import { transportContract } from '../../contract/transport.js';
import { until } from '../../agent/ship/wire-rig.js';

const free = newBrokerUser();
const bound = newBrokerUser();

transportContract('nats', async () => {
  const binary = await locateBroker({ log: silentLog }).catch((error: unknown) => {
    if (error instanceof AfterimageError && error.code === 'broker-missing') return error.message;
    throw error;
  });
  if (typeof binary === 'string') return binary;
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-nats-'));
  const port = await freePort();
  const config = join(folder, 'broker.conf');
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"
     max_payload: 1114112
     authorization { users: [
       { nkey: ${free.key} }
       { nkey: ${bound.key}, permissions: {
           publish: ["afterimage.mine.>"], subscribe: ["inbox.>"] } }
     ] }`,
  );
  const start = (): ChildProcess => spawn(binary.path, ['--config', config], { stdio: 'ignore' });
  let child = start();
  const end = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  return {
    connect: async (permissions): Promise<Transport> => {
      const transport = createNatsTransport({
        url: `nats://127.0.0.1:${port}`,
        seed: permissions === undefined ? free.seed : bound.seed,
        name: 'contract',
        backoffMs: [5, 50],
        ...(permissions === undefined ? {} : { inboxPrefix: 'inbox' }),
      });
      await until(() => transport.connected);
      return transport;
    },
    breakAll: async () => {
      await end();
      child = start();
    },
    close: async () => {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
