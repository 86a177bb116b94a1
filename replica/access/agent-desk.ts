/** Agents as an operator deals with them through the API: who is in, letting one in, shutting one out. */
import type { AgentJson, AgentRevokedAnswer, EnrolmentAnswer } from '../../shared/api/access.js';
import type { Clock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import type { AgentRow, Catalog } from '../catalog/catalog.js';
import { enrollAgent } from '../catalog/enroll.js';
import type { ReplicaIdentity } from '../catalog/replica-identity.js';
import type { Receiver } from '../receive/receiver.js';

export interface AgentDeskOptions {
  readonly catalog: Catalog;
  readonly identity: ReplicaIdentity;
  readonly tenant: string;
  /** The broker as agents reach it. */
  readonly brokerUrl: string;
  readonly sessions: Receiver['sessions'];
  readonly clock: Clock;
}

export class AgentDesk {
  readonly #options: AgentDeskOptions;

  constructor(options: AgentDeskOptions) {
    this.#options = options;
  }

  list(): AgentJson[] {
    const { catalog, sessions } = this.#options;
    const keys = catalog.keyTimes();
    const owned = new Map<string, string[]>();
    for (const { agent, set } of catalog.listSets()) {
      owned.set(agent, [...(owned.get(agent) ?? []), set]);
    }
    const connected = new Set(sessions().flatMap(({ agent, live }) => (live ? [agent] : [])));
    return catalog.listAgents().map((row) => ({
      name: row.name,
      tenant: row.tenant,
      sets: owned.get(row.name) ?? [],
      host: row.host,
      enrolledMs: row.enrolledMs,
      seenMs: row.seenMs,
      keyMs: row.pinned ? (keys.get(row.name) ?? null) : null,
      connected: connected.has(row.name),
      state: stateOf(row),
    }));
  }

  /** Throws `argument-invalid` for what is no name. */
  async enroll(request: {
    readonly name: string;
    readonly validMs: number;
  }): Promise<EnrolmentAnswer> {
    const { catalog, identity, tenant, brokerUrl, clock } = this.#options;
    const { name, validMs } = request;
    const of = { catalog, identity, tenant, name, brokerUrl, validMs, clock };
    const enrolment = await enrollAgent(of);
    return {
      agent: name,
      brokerUrl,
      expiresMs: enrolment.expiresMs,
      enrolment: `${JSON.stringify(enrolment, null, 2)}\n`,
      notes: isLoopback(brokerUrl)
        ? [`agents on other machines cannot reach ${brokerUrl}: set broker.public_url`]
        : [],
    };
  }

  /** Its key and its broker user are refused from now on; its sets and points stay. Throws `not-found`. */
  revoke(name: string): AgentRevokedAnswer {
    const { catalog } = this.#options;
    const known = this.list().find((agent) => agent.name === name);
    if (known === undefined) {
      throw new AfterimageError('not-found', `there is no agent ${JSON.stringify(name)}`, {
        facts: { agent: name },
      });
    }
    catalog.removeAgent(name);
    return { agent: name, sets: known.sets };
  }
}

function stateOf({ pinned, brokerKey }: AgentRow): AgentJson['state'] {
  if (brokerKey === '') return 'revoked';
  return pinned ? 'active' : 'enrolled';
}

function isLoopback(url: string): boolean {
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}
