/**
 * Who this agent is, in its own folder: the key it made itself, the replica it trusts, its broker
 * credential, and the token of each set that the last hello gave it (R14). A copy of this folder
 * on a second machine is found out at the first hello of the later one.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
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
import { type KeyRotation, rotationOf, storedKeysSchema } from './key-rotation.js';

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
  /** How these keys change; undefined for an identity that is in no folder. */
  readonly rotation?: KeyRotation | undefined;
  /** The one-time token, until the first welcome. */
  enrolmentToken(): string | null;
  /** The replica knows this agent's key: the one-time token is spent. */
  enrolled(): void;
  readTokens(set: string): SetTokens | null;
  /** Durable when it returns. */
  writeTokens(set: string, tokens: SetTokens): void;
}

const identitySchema = storedKeysSchema.extend({
  format: z.literal(1),
  brokerUrl: z.string(),
  tenant: z.string(),
  agent: z.string(),
  enrolmentToken: z.string().nullable(),
  /** SHA-256 of the token of the enrolment file that was taken last, in hex. */
  enrolmentTaken: z.string().nullable().default(null),
});
type StoredIdentity = z.infer<typeof identitySchema>;
const tokensSchema = z.object({ newest: z.string(), confirmed: z.string().nullable() });

const identityPath = (folder: string): string => join(folder, 'identity.json');

/**
 * Takes an enrolment file over into `folder` with a key made here. Enrolling again keeps the key of an
 * agent of the same name (a new broker user, a new broker, a new token, a replica with a new key).
 * Throws `config-unreadable`.
 */
export function enrolIdentity(options: {
  readonly enrolmentFile: string;
  readonly folder: string;
}): AgentIdentity {
  const enrolment = readEnrolment(options.enrolmentFile);
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
    next: null,
    older: null,
    olderReplicaKey: null,
    enrolmentToken: enrolment.token,
    enrolmentTaken: hashOf(enrolment),
  } satisfies StoredIdentity);
  return loadIdentity(options.folder);
}

export function hasIdentity(folder: string): boolean {
  return existsSync(identityPath(folder));
}

/**
 * Whether the file is another one than that which the identity in `folder` was made from: the operator
 * enrolled the agent again. Throws `config-unreadable`.
 */
export function isEnrolledAgain(options: {
  readonly enrolmentFile: string;
  readonly folder: string;
}): boolean {
  const enrolment = readEnrolment(options.enrolmentFile);
  const stored = readSecretFile(identityPath(options.folder), identitySchema);
  if (stored === null) return true;
  if (stored.enrolmentTaken !== null) return stored.enrolmentTaken !== hashOf(enrolment);
  return stored.brokerSeed !== enrolment.brokerSeed;
}

function readEnrolment(file: string): Enrolment {
  const enrolment = readSecretFile(file, enrolmentSchema);
  if (enrolment !== null) return enrolment;
  throw new AfterimageError('config-unreadable', `there is no ${file}`);
}

function hashOf({ token }: Enrolment): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Throws `identity-unknown` when the folder has no identity. */
export function loadIdentity(folder: string): AgentIdentity {
  const path = identityPath(folder);
  const read = readSecretFile(path, identitySchema);
  if (read === null) {
    throw new AfterimageError('identity-unknown', `there is no identity in ${folder}`);
  }
  let stored = read;
  const write = (next: StoredIdentity): void => {
    writeSecretFile(path, next);
    stored = next;
  };
  const tokensPath = (set: string): string => {
    checkWireName('set', set);
    return join(folder, 'tokens', `${set}.json`);
  };
  return {
    brokerUrl: stored.brokerUrl,
    tenant: stored.tenant,
    agent: stored.agent,
    get keys() {
      return keyPairOf(Buffer.from(stored.privateKey, 'base64url'));
    },
    get replicaPublicKey() {
      return Buffer.from(stored.replicaPublicKey, 'base64url');
    },
    get brokerSeed() {
      return stored.brokerSeed;
    },
    rotation: rotationOf({
      read: () => stored,
      write: (keys) => {
        write({ ...stored, ...keys });
      },
    }),
    enrolmentToken: () => stored.enrolmentToken,
    enrolled: () => {
      if (stored.enrolmentToken !== null) write({ ...stored, enrolmentToken: null });
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
  return stored !== null && stored.tenant === enrolment.tenant && stored.agent === enrolment.agent;
}
