/** Where agents may reach the port for direct streams, as far as this machine can tell. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ReplicaConfig } from '../../shared/config/replica-config.js';
import { DIRECT_ADDRESSES_MAX } from '../../shared/protocol/hello.js';
import type { DirectAddress, DirectListen } from './direct-lanes.js';

/** One address of one interface, as the system says it. */
export interface InterfaceAddress {
  readonly address: string;
  readonly internal: boolean;
}

/** What the receiver listens at; undefined when the configuration says `never`. */
export function directListen({ direct, broker }: ReplicaConfig): DirectListen | undefined {
  if (direct === undefined) return undefined;
  const publicUrl = broker.type === 'embedded' ? broker.publicUrl : undefined;
  const publicHost = publicUrl === undefined ? undefined : hostOf(publicUrl);
  return {
    ...direct.listen,
    addresses: (port) =>
      direct.advertise?.map((one) => ({ host: one.host, port: one.port ?? port })) ??
      reachableAddresses({
        listenHost: direct.listen.host,
        publicHost,
        interfaces: Object.values(networkInterfaces()).flatMap((one) => one ?? []),
      }).map((host) => ({ host, port })),
  };
}

/**
 * Hosts in the order in which they are told, at most eight: the broker's public name, then the one
 * that is listened at, or for any those of the interfaces. Loopback is told when there is no other.
 */
export function reachableAddresses(machine: {
  readonly listenHost: string;
  readonly publicHost: string | undefined;
  readonly interfaces: readonly InterfaceAddress[];
}): DirectAddress['host'][] {
  const { listenHost, publicHost, interfaces } = machine;
  const isAny = listenHost === '0.0.0.0' || listenHost === '::';
  const isLoopback = listenHost === 'localhost' || /^(127\.|::1$)/.test(listenHost);
  const covered = interfaces.filter(
    ({ address }) => (listenHost === '::' || isIP(address) === 4) && !address.startsWith('fe80:'),
  );
  const outer = covered.filter(({ internal }) => !internal);
  const own = isAny
    ? (outer.length > 0 ? outer : covered).map(({ address }) => address)
    : [listenHost];
  // A name from outside leads nowhere when only this machine is listened to.
  const named = publicHost === undefined || isLoopback ? [] : [publicHost];
  return [...new Set([...named, ...own])].slice(0, DIRECT_ADDRESSES_MAX);
}

function hostOf(url: string): string | undefined {
  try {
    const { hostname } = new URL(url);
    return hostname === '' ? undefined : hostname.replace(/^\[(.*)\]$/, '$1');
  } catch {
    return undefined; // nothing is told that is not a URL
  }
}
