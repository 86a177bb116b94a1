/**
 * Who this agent is, in its own folder: the key it made itself, the replica it trusts, its broker
 * credential, and the token of each set that the last hello gave it (R14). A copy of this folder
 * on a second machine is found out at the first hello of the later one.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { AfterimageError } from '../../shared/errors.js';
import { type Enrolment, enrolmentSchema } from '../../shared/protocol/enrolment.js';
import { checkWireName } from '../../shared/protocol/subject.js';
import {
  generateKeyPair,
  keyPairOf,
  type KeyPair,
  rawPrivate,
} from '../../shared/seal/key-pair.js';
import { readSecretFile, writeSecretFile } from '../../shared/seal/secret-file.js';

/** Newest first: the one the last welcome gave, and the last one known to be confirmed. */
export interface SetTokens {
  readonly newest: string;
  readonly confirmed: string | null;
}

export interface AgentIdentity {
  readonly brokerUrl: string;
  readonly tenant: string;
  readonly agent: string;
  readonly keys: KeyPair;
  readonly replicaPublicKey: Buffer;
  /** Seed of the broker user (an nkey). */
  readonly brokerSeed: string;
  /** The one-time token, until the first welcome. */
  enrolmentToken(): string | null;
  /** The replica knows this agent's key: the one-time token is spent. */
  enrolled(): void;
  readTokens(set: string): SetTokens | null;
  /** Durable when it returns. */
  writeTokens(set: string, tokens: SetTokens): void;
}

const base64 = z.string().regex(/^[A-Za-z0-9_-]+$/);
const identitySchema = z.object({
  format: z.literal(1),
  brokerUrl: z.string(),
  tenant: z.string(),
  agent: z.string(),
  privateKey: base64,
  replicaPublicKey: base64,
  brokerSeed: z.string(),
  enrolmentToken: z.string().nullable(),
});
type StoredIdentity = z.infer<typeof identitySchema>;
const tokensSchema = z.object({ newest: z.string(), confirmed: z.string().nullable() });

const identityPath = (folder: string): string => join(folder, 'identity.json');

/**
 * Takes an enrolment file over into `folder` with a key made here. Enrolling again keeps the key
 * when agent and replica are the same (a new broker, a new token). Throws `config-unreadable`.
 */
export function enrolIdentity(options: {
  readonly enrolmentFile: string;
  readonly folder: string;
}): AgentIdentity {
  const enrolment = readSecretFile(options.enrolmentFile, enrolmentSchema);
  if (enrolment === null) {
    throw new AfterimageError('config-unreadable', `there is no ${options.enrolmentFile}`);
  }
  const stored = readSecretFile(identityPath(options.folder), identitySchema);
  const privateKey = isSameAgent(stored, enrolment)
    ? stored.privateKey
    : rawPrivate(generateKeyPair()).toString('base64url');
  writeSecretFile(identityPath(options.folder), {
    format: 1,
    brokerUrl: enrolment.brokerUrl,
    tenant: enrolment.tenant,
    agent: enrolment.agent,
    privateKey,
    replicaPublicKey: enrolment.replicaPublicKey,
    brokerSeed: enrolment.brokerSeed,
    enrolmentToken: enrolment.token,
  } satisfies StoredIdentity);
  return loadIdentity(options.folder);
}

/** Throws `identity-unknown` when the folder has no identity. */
export function loadIdentity(folder: string): AgentIdentity {
  const path = identityPath(folder);
  const read = readSecretFile(path, identitySchema);
  if (read === null) {
    throw new AfterimageError('identity-unknown', `there is no identity in ${folder}`);
  }
  let stored = read;
  const tokensPath = (set: string): string => {
    checkWireName('set', set);
    return join(folder, 'tokens', `${set}.json`);
  };
  return {
    brokerUrl: stored.brokerUrl,
    tenant: stored.tenant,
    agent: stored.agent,
    keys: keyPairOf(Buffer.from(stored.privateKey, 'base64url')),
    replicaPublicKey: Buffer.from(stored.replicaPublicKey, 'base64url'),
    brokerSeed: stored.brokerSeed,
    enrolmentToken: () => stored.enrolmentToken,
    enrolled: () => {
      if (stored.enrolmentToken === null) return;
      stored = { ...stored, enrolmentToken: null };
      writeSecretFile(path, stored);
    },
    readTokens: (set) => readSecretFile(tokensPath(set), tokensSchema),
    writeTokens: (set, tokens) => {
      writeSecretFile(tokensPath(set), tokens);
    },
  };
}

function isSameAgent(
  stored: StoredIdentity | null,
  enrolment: Enrolment,
): stored is StoredIdentity {
  return (
    stored !== null &&
    stored.tenant === enrolment.tenant &&
    stored.agent === enrolment.agent &&
    stored.replicaPublicKey === enrolment.replicaPublicKey
  );
}
