/** A real broker on a free port for tests, or the reason why this machine has none. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '../../../replica/broker/broker.js';
import { startBroker } from '../../../replica/broker/broker.js';
import type { BrokerUsers } from '../../../replica/broker/broker-config.js';
import { locateBroker } from '../../../replica/broker/locate.js';
import { AfterimageError } from '../../../shared/errors.js';
import { type Log, silentLog } from '../../../shared/log.js';

export async function startTestBroker(
  users: BrokerUsers,
  log: Log = silentLog,
): Promise<{ readonly broker: Broker; stop(): Promise<void> } | string> {
  let binary: string;
  try {
    binary = (await locateBroker({ log: silentLog })).path;
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'broker-missing') return error.message;
    throw error;
  }
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-broker-'));
  const broker = await startBroker({ binary, folder, port: 0, users, log });
  return {
    broker,
    stop: async () => {
      await broker.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
