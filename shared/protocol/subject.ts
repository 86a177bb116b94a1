/**
 * Names on the wire and the subjects made of them: `afterimage.<tenant>.<agent>.<set>.<lane>`.
 * A broker's permissions are cut along these (promise 7), so a name never holds a dot, a wildcard
 * or anything else that a subject gives a meaning to.
 */
import { AfterimageError } from '../errors.js';

export const lanes = ['hello', 'has', 'up', 'ack', 'ctl'] as const;
/** hello, has and up go from agent to replica; ack and ctl come back. */
export type Lane = (typeof lanes)[number];

const namePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** True for a name that a tenant, an agent or a set may have. */
export function isWireName(name: string): boolean {
  return namePattern.test(name);
}

/** Throws `argument-invalid` unless `name` may name a tenant, an agent or a set. */
export function checkWireName(what: 'tenant' | 'agent' | 'set', name: string): void {
  if (isWireName(name)) return;
  throw new AfterimageError(
    'argument-invalid',
    `${what} name ${JSON.stringify(name)}: 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit`,
  );
}

export interface SetAddress {
  readonly tenant: string;
  readonly agent: string;
  readonly set: string;
}

export function subjectOf(address: SetAddress, lane: Lane): string {
  return `afterimage.${address.tenant}.${address.agent}.${address.set}.${lane}`;
}

/** All sets of all agents of a tenant, one lane. */
export function tenantSubject(tenant: string, lane: Lane): string {
  return `afterimage.${tenant}.*.*.${lane}`;
}

/** The address in a subject, or undefined when it is none of ours. */
export function parseSubject(subject: string): (SetAddress & { readonly lane: Lane }) | undefined {
  const [prefix, tenant, agent, set, word, ...rest] = subject.split('.');
  const lane = lanes.find((candidate) => candidate === word);
  if (prefix !== 'afterimage' || rest.length > 0 || lane === undefined) return undefined;
  if (tenant === undefined || agent === undefined || set === undefined) return undefined;
  if (!isWireName(tenant) || !isWireName(agent) || !isWireName(set)) return undefined;
  return { tenant, agent, set, lane };
}

/** Where answers to an agent's requests arrive; no other agent may listen there. */
export function agentInboxPrefix(agent: string): string {
  return `_INBOX_${agent}`;
}

/** Where answers to the replica's requests arrive. No agent's prefix can equal it. */
export const replicaInboxPrefix = '_INBOX.replica';
