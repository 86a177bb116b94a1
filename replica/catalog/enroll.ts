/**
 * Enrolment: gives an agent a broker user of its own and a token that works once, as a file for the
 * agent's machine. The agent's identity is made there, by the agent.
 */
import { type Clock, systemClock } from '../../shared/clock.js';
import type { Enrolment } from '../../shared/protocol/enrolment.js';
import { checkWireName } from '../../shared/protocol/subject.js';
import { writeSecretFile } from '../../shared/seal/secret-file.js';
import { newToken } from '../../shared/seal/token.js';
import type { BrokerUsers } from '../broker/broker-config.js';
import type { Catalog } from './catalog.js';
import { newBrokerUser, type ReplicaIdentity } from './replica-identity.js';

const VALID_MS = 7 * 24 * 3600 * 1000;

export interface EnrollOptions {
  readonly catalog: Catalog;
  readonly identity: ReplicaIdentity;
  readonly tenant: string;
  readonly name: string;
  /** As the agent reaches it. */
  readonly brokerUrl: string;
  /** Where the enrolment is written, mode 0600; not written when undefined. */
  readonly file?: string;
  /** Puts the new user in force; undefined when the broker is not ours to change. */
  readonly reload?: (users: BrokerUsers) => Promise<void>;
  /** How long the token works, ms; 7 days unless told. */
  readonly validMs?: number;
  readonly clock?: Clock;
}

/** What the agent needs. Enrolling a known agent again renews its broker user and token. */
export async function enrollAgent(options: EnrollOptions): Promise<Enrolment> {
  const { catalog, tenant, name } = options;
  checkWireName('tenant', tenant);
  checkWireName('agent', name);
  const token = newToken();
  const user = newBrokerUser();
  const expiresMs = (options.clock ?? systemClock).now() + (options.validMs ?? VALID_MS);
  catalog.addAgent({ name, tenant, brokerKey: user.key, token, expiresMs });
  await options.reload?.(brokerUsers(catalog, options.identity));
  const enrolment: Enrolment = {
    format: 1,
    brokerUrl: options.brokerUrl,
    tenant,
    agent: name,
    replicaPublicKey: options.identity.keys.publicKey.toString('base64url'),
    token,
    expiresMs,
    brokerSeed: user.seed,
  };
  if (options.file !== undefined) writeSecretFile(options.file, enrolment);
  return enrolment;
}

/** Everybody whom the broker shall let in. */
export function brokerUsers(catalog: Catalog, identity: ReplicaIdentity): BrokerUsers {
  return { replicaKey: identity.brokerKey, agents: catalog.listAgents() };
}
