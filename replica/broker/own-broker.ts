/**
 * The broker that the replica runs itself: found or fetched, started with the users of the catalog,
 * and told when an agent is enrolled, by this process or another.
 */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import type { BrokerConfig } from '../../shared/config/replica-config.js';
import type { Log } from '../../shared/log.js';
import type { Catalog } from '../catalog/catalog.js';
import { brokerUsers } from '../catalog/enroll.js';
import type { ReplicaIdentity } from '../catalog/replica-identity.js';
import { startBroker } from './broker.js';
import { locateBroker } from './locate.js';

export interface OwnBrokerOptions {
  readonly config: Extract<BrokerConfig, { type: 'embedded' }>;
  readonly dataFolder: string;
  readonly catalog: Catalog;
  readonly identity: ReplicaIdentity;
  readonly log: Log;
}

export interface OwnBroker {
  readonly url: string;
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

const LOOK_MS = 500;

const FOLDER = 'broker';

/** The port of the replica's own broker: as configured, or the free one it chose. Throws `not-found`. */
export function ownBrokerPort(dataFolder: string, listen: { readonly port: number }): number {
  if (listen.port !== 0) return listen.port;
  const file = path.join(dataFolder, FOLDER, 'port');
  const port = fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0;
  if (Number.isInteger(port) && port > 0) return port;
  throw new AfterimageError(
    'not-found',
    'the broker has no port yet: start the replica once, or name the broker',
  );
}

/** Throws `broker-missing`, `broker-unreachable`. */
export async function runOwnBroker(options: OwnBrokerOptions): Promise<OwnBroker> {
  const { config, catalog, identity, log } = options;
  const binary = config.binary ?? (await locateBroker({ log })).path;
  let users = brokerUsers(catalog, identity);
  const broker = await startBroker({
    binary,
    folder: path.join(options.dataFolder, FOLDER),
    host: config.listen.host,
    port: config.listen.port,
    users,
    log,
    ...(config.tls === undefined ? {} : { tls: config.tls }),
  });
  let reloading = false;
  const look = setInterval(() => {
    const now = brokerUsers(catalog, identity);
    if (reloading || JSON.stringify(keysOf(now)) === JSON.stringify(keysOf(users))) return;
    reloading = true;
    broker
      .reload(now)
      .then(() => {
        users = now;
        log.info('the broker has new users', { agents: now.agents.length });
      })
      .catch((error: unknown) => {
        log.error('the broker did not take its new users', error);
      })
      .finally(() => {
        reloading = false;
      });
  }, LOOK_MS);
  return {
    url: broker.url,
    get pid() {
      return broker.pid;
    },
    stop: async () => {
      clearInterval(look);
      await broker.stop();
    },
  };
}

function keysOf(users: ReturnType<typeof brokerUsers>): string[] {
  return users.agents.map(({ tenant, name, brokerKey }) => `${tenant}/${name}/${brokerKey}`);
}
