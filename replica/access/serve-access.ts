/** What a replica's server is told of who may ask: tokens, the audit, agents, TLS and what is in force. */
import os from 'node:os';
import path from 'node:path';
import { TOKEN_FILE, URL_FILE } from '../../shared/api/address.js';
import type { Clock } from '../../shared/clock.js';
import type { ReplicaConfig } from '../../shared/config/replica-config.js';
import type { Log } from '../../shared/log.js';
import { ownBrokerPort } from '../broker/own-broker.js';
import type { Catalog } from '../catalog/catalog.js';
import type { ReplicaIdentity } from '../catalog/replica-identity.js';
import type { Receiver } from '../receive/receiver.js';
import type { ServerOptions } from '../serve/route-context.js';
import { ensureToken } from '../serve/token.js';
import { type AccessDesk, openAccess } from './access-desk.js';
import { ACCESS_FILE } from './access-store.js';
import { AgentDesk } from './agent-desk.js';
import { effectiveSettings } from './effective-settings.js';

export type ServeAccess = Required<
  Pick<ServerOptions, 'token' | 'agents' | 'settings' | 'trustedProxies' | 'metrics'>
> &
  Pick<ServerOptions, 'tls'> & { readonly access: AccessDesk };

/** Its `access` is for the caller to close, after the server. Throws `config-invalid`, storage errors. */
export function serveAccess(
  config: ReplicaConfig,
  deps: {
    readonly catalog: Catalog;
    readonly identity: ReplicaIdentity;
    readonly receiver: Receiver;
    readonly clock: Clock;
    readonly log: Log;
    /** Parts of this program that are not there. */
    readonly missing: readonly string[];
  },
): ServeAccess {
  const { catalog, identity, receiver, clock, log } = deps;
  const { dataFolder, sessionMs, tls, trustedProxies, metrics, tenant } = config;
  if (tls === undefined && !isLoopback(config.listen.host)) {
    log.warn('the API listens beyond this machine without TLS: tokens can be read on the way', {
      listen: config.listen.host,
    });
  }
  const token = ensureToken(dataFolder);
  return {
    token,
    access: openAccess({ dataFolder, localToken: token, clock, log, sessionMs }),
    agents: new AgentDesk({
      catalog,
      identity,
      tenant,
      brokerUrl: brokerUrlOf(config),
      sessions: () => receiver.sessions(),
      clock,
    }),
    settings: () => ({
      settings: effectiveSettings(config),
      paths: pathsOf(dataFolder),
      missing: [...deps.missing],
    }),
    tls,
    trustedProxies,
    metrics,
  };
}

/** As agents reach it. */
function brokerUrlOf({ broker, dataFolder }: ReplicaConfig): string {
  if (broker.type === 'external') return broker.url;
  if (broker.publicUrl !== undefined) return broker.publicUrl;
  const { host } = broker.listen;
  const reachable = ['0.0.0.0', '::'].includes(host) ? os.hostname() : host;
  const scheme = broker.tls === undefined ? 'nats' : 'tls';
  const port = ownBrokerPort(dataFolder, broker.listen);
  return `${scheme}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

function pathsOf(dataFolder: string): { what: string; path: string }[] {
  const below = (name: string): string => path.join(dataFolder, name);
  return [
    { what: 'data folder', path: dataFolder },
    { what: 'sets', path: below('sets') },
    { what: 'catalog', path: below('catalog.db') },
    { what: 'tokens and audit', path: below(ACCESS_FILE) },
    { what: 'token of this machine', path: below(TOKEN_FILE) },
    { what: 'address of the API', path: below(URL_FILE) },
  ];
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
