/** The replica's configuration: where it keeps copies, where it listens, and its bounds. */
import { isIP } from 'node:net';
import { dirname, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { DIRECT_ADDRESSES_MAX } from '../protocol/hello.js';
import { isWireName } from '../protocol/subject.js';
import { type Address, addressSchema as address, parseAddress } from './address.js';
import { type AlertsConfig, alertsSchema, toAlerts } from './alerts-config.js';
import { byteCount, duration } from './quantity.js';
import { parseConfig, readConfig } from './read-config.js';

export { type Address, parseAddress } from './address.js';

const absolutePath = z.string().refine(isAbsolute, 'an absolute path').meta({ type: 'path' });
const path = z.string().min(1).meta({ type: 'path' });
const wireName = z
  .string()
  .refine(isWireName, '1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit')
  .meta({ type: 'name' });

/** Each has a database and a few open files on the replica. */
const SETS_PER_AGENT_MAX = 100;
const ANY_HOST = '0.0.0.0';
const OWN_BROKER_ADDRESS = '127.0.0.1:4222';
const ownBrokerKeys = ['listen', 'public_url', 'binary', 'tls_cert_file', 'tls_key_file'] as const;

const brokerSchema = z
  .strictObject({
    url: z.string().min(1).optional(),
    seed_file: path.optional(),
    listen: address.optional(),
    public_url: z.string().min(1).optional(),
    binary: path.optional(),
    tls_cert_file: path.optional(),
    tls_key_file: path.optional(),
  })
  .superRefine((broker, context) => {
    const refuse = (key: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [key], message });
    };
    if (broker.url === undefined) {
      if (broker.seed_file !== undefined) refuse('seed_file', 'broker.url beside it');
    } else {
      for (const key of ownBrokerKeys) {
        if (broker[key] !== undefined)
          refuse(key, 'nothing: broker.url names one that runs already');
      }
    }
    if ((broker.tls_cert_file === undefined) !== (broker.tls_key_file === undefined)) {
      const given = broker.tls_cert_file === undefined ? 'tls_key_file' : 'tls_cert_file';
      refuse(given, 'tls_cert_file and tls_key_file together');
    }
  });

const bytesByName = z.record(z.string(), byteCount({ min: 1 })).superRefine((quotas, context) => {
  for (const name of Object.keys(quotas)) {
    if (!isWireName(name)) context.addIssue({ code: 'custom', path: [name], message: 'a name' });
  }
});

const quotasSchema = z.strictObject({
  set_bytes_max: byteCount({ min: 1 }).optional(),
  sets: bytesByName.default({}),
  agents: bytesByName.default({}),
  sets_per_agent_max: z.int().min(1).default(SETS_PER_AGENT_MAX),
  free_bytes_min: byteCount().prefault('1 GiB'),
});

const scrubSchema = z.strictObject({
  every: z.union([z.literal('never'), duration({ min: 60_000 })]).prefault('7d'),
  bytes_per_second_max: byteCount({ min: 1024 }).prefault('16 MiB'),
});

/** A host, with the port that leads here when it is not the one listened at. */
const reachable = z
  .string()
  .refine((text) => toReachable(text) !== undefined, 'a host or host:port')
  .meta({ type: 'host or host:port' });

const directSchema = z.union([
  z.literal('never'),
  z.strictObject({
    listen: address.optional(),
    advertise: z.array(reachable).min(1).max(DIRECT_ADDRESSES_MAX).optional(),
  }),
]);

const tlsSchema = z.strictObject({ cert_file: path, key_file: path });
const SESSION_MS_MAX = 30 * 24 * 3600 * 1000;
const proxy = z
  .string()
  .refine((text) => isIP(text.replace(/\/\d{1,3}$/, '')) !== 0, 'an IP address, or one with /bits')
  .meta({ type: 'address' });

/** The file as an operator writes it; `docs/reference/config.md` lists every key. */
export const replicaConfigSchema = z.strictObject({
  data_folder: path,
  listen: address.default('127.0.0.1:9470'),
  tls: tlsSchema.optional(),
  trusted_proxies: z.array(proxy).default([]),
  session: duration({ min: 60_000, max: SESSION_MS_MAX }).prefault('12h'),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  broker: brokerSchema.prefault({}),
  direct: directSchema.prefault({}),
  tenant: wireName.default('default'),
  restore_roots: z.array(absolutePath).default([]),
  quotas: quotasSchema.prefault({}),
  scrub: scrubSchema.prefault({}),
  alerts: alertsSchema.prefault({}),
  metrics: z.enum(['token', 'open']).default('token'),
});

type ReplicaFile = z.infer<typeof replicaConfigSchema>;

export type BrokerConfig =
  /** A broker that somebody else runs. */
  | { readonly type: 'external'; readonly url: string; readonly seedFile: string | undefined }
  /** A nats-server that the replica runs as its child. */
  | {
      readonly type: 'embedded';
      readonly listen: Address;
      /** What enrolment files name, where agents reach the broker under another address. */
      readonly publicUrl: string | undefined;
      readonly binary: string | undefined;
      readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
    };

/** Where agents may send frames past the broker. */
export interface DirectConfig {
  readonly listen: Address;
  /** What agents are told; undefined for what the machine finds out. No port: the one listened at. */
  readonly advertise:
    readonly { readonly host: string; readonly port: number | undefined }[] | undefined;
}

export interface ReplicaConfig {
  /** Absolute; relative ones are relative to the file. */
  readonly dataFolder: string;
  /** Of the HTTP API and the console. */
  readonly listen: Address;
  /** What they are served with; undefined for no TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Proxies whose word counts for who asks and by which scheme. */
  readonly trustedProxies: readonly string[];
  /** How long a session of the console lasts. */
  readonly sessionMs: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly broker: BrokerConfig;
  /** Undefined for nowhere. */
  readonly direct: DirectConfig | undefined;
  readonly tenant: string;
  /** The replica restores only below these (R22). */
  readonly restoreRoots: readonly string[];
  readonly quotas: {
    /** Bytes of one set, base and history, where `sets` does not name it; undefined for no bound. */
    readonly setBytesMax: number | undefined;
    /** Bytes of the sets named. */
    readonly sets: Readonly<Record<string, number>>;
    /** Bytes of all sets together of the agents named. */
    readonly agents: Readonly<Record<string, number>>;
    readonly setsPerAgentMax: number;
    /** Syncs are refused while the file system has less room than this. */
    readonly freeBytesMin: number;
  };
  readonly scrub: {
    /** From the end of one round of a set to the beginning of the next, ms; Infinity for never. */
    readonly everyMs: number;
    /** Read by scrubbing, of all sets together. */
    readonly bytesPerSecondMax: number;
  };
  readonly alerts: AlertsConfig;
  /** Whether /metrics is told to everybody who asks, or to bearers of a token. */
  readonly metrics: 'token' | 'open';
}

/** @throws AfterimageError `config-unreadable`, `config-invalid` */
export function readReplicaConfig(file: string): ReplicaConfig {
  return toConfig(readConfig(file, replicaConfigSchema), dirname(resolve(file)));
}

/** The same from text; `file` is named in messages and gives relative paths their place. */
export function parseReplicaConfig(file: {
  readonly path: string;
  readonly text: string;
}): ReplicaConfig {
  return toConfig(parseConfig(file, replicaConfigSchema), dirname(resolve(file.path)));
}

function toAddress(text: string): Address {
  return parseAddress(text) ?? { host: '127.0.0.1', port: 0 };
}

function toConfig(file: ReplicaFile, folder: string): ReplicaConfig {
  return {
    dataFolder: resolve(folder, file.data_folder),
    listen: toAddress(file.listen),
    tls:
      file.tls === undefined
        ? undefined
        : {
            certFile: resolve(folder, file.tls.cert_file),
            keyFile: resolve(folder, file.tls.key_file),
          },
    trustedProxies: file.trusted_proxies,
    sessionMs: file.session,
    logLevel: file.log_level,
    broker: toBroker(file.broker, folder),
    direct: toDirect(file),
    tenant: file.tenant,
    restoreRoots: file.restore_roots.map((root) => resolve(root)),
    quotas: {
      setBytesMax: file.quotas.set_bytes_max,
      sets: file.quotas.sets,
      agents: file.quotas.agents,
      setsPerAgentMax: file.quotas.sets_per_agent_max,
      freeBytesMin: file.quotas.free_bytes_min,
    },
    scrub: {
      everyMs: file.scrub.every === 'never' ? Infinity : file.scrub.every,
      bytesPerSecondMax: file.scrub.bytes_per_second_max,
    },
    alerts: toAlerts(file.alerts, folder),
    metrics: file.metrics,
  };
}

function toReachable(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const given = parseAddress(text);
  if (given !== undefined && !/^[^[].*:.*:/.test(text)) return given.port === 0 ? undefined : given;
  const host = text.replace(/^\[(.*)\]$/, '$1');
  return /^[\w.:%-]+$/.test(host) ? { host, port: undefined } : undefined;
}

/** An own broker that listens on loopback alone says how far the replica is meant to be reached. */
function toDirect({ direct, broker }: ReplicaFile): DirectConfig | undefined {
  if (direct === 'never') return undefined;
  const { host } = toAddress(broker.listen ?? OWN_BROKER_ADDRESS);
  const usual = { host: broker.url === undefined ? host : ANY_HOST, port: 0 };
  return {
    listen: direct.listen === undefined ? usual : toAddress(direct.listen),
    advertise: direct.advertise?.flatMap((text) => toReachable(text) ?? []),
  };
}

function toBroker(broker: ReplicaFile['broker'], folder: string): BrokerConfig {
  const within = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(folder, file);
  if (broker.url !== undefined) {
    return { type: 'external', url: broker.url, seedFile: within(broker.seed_file) };
  }
  const certFile = within(broker.tls_cert_file);
  const keyFile = within(broker.tls_key_file);
  return {
    type: 'embedded',
    listen: toAddress(broker.listen ?? OWN_BROKER_ADDRESS),
    publicUrl: broker.public_url,
    binary: within(broker.binary),
    tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile },
  };
}
