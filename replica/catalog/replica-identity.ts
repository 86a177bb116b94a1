/**
 * The replica's own keys, made once and kept in its data folder. New ones take their place when the
 * operator says so; the older stay beside them until every agent knows the newest (R23).
 */
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { createUser, fromSeed } from 'nkeys.js';
import { z } from 'zod';
import {
  generateKeyPair,
  keyPairOf,
  type KeyPair,
  rawPrivate,
} from '../../shared/seal/key-pair.js';
import { readSecretFile, writeSecretFile } from '../../shared/seal/secret-file.js';

export interface ReplicaIdentity {
  /** Static keys that every agent pins at its enrolment: the newest. */
  readonly keys: KeyPair;
  /** Keys that agents may still know, newest first. */
  readonly olderKeys: readonly KeyPair[];
  /** Seed and public key of the replica's broker user. */
  readonly brokerSeed: string;
  readonly brokerKey: string;
}

const privateKey = z.string().length(43);
const storedSchema = z.object({
  format: z.literal(1),
  privateKey,
  brokerSeed: z.string(),
  olderKeys: z.array(privateKey).max(8).default([]),
});
type StoredIdentity = z.infer<typeof storedSchema>;

const OLDER_MAX = 8;

/** Loads the identity kept in `folder`, or makes one there. Throws `config-unreadable`. */
export function loadOrCreateReplicaIdentity(folder: string): ReplicaIdentity {
  const stored = readStored(folder);
  return identityOf(stored ?? writeStored(folder, { ...newKeys(), format: 1, olderKeys: [] }));
}

/**
 * Makes new keys; the one before stays in use until `retireReplicaKeys`. A running replica takes them
 * when it starts again. The broker user is new too where the replica runs its own broker.
 */
export function rotateReplicaKeys(
  folder: string,
  options: { readonly brokerUser: 'keep' | 'renew' },
): ReplicaIdentity {
  const before = readStored(folder) ?? { ...newKeys(), format: 1, olderKeys: [] };
  const made = newKeys();
  const olderKeys = [before.privateKey, ...before.olderKeys].slice(0, OLDER_MAX);
  const brokerSeed = options.brokerUser === 'renew' ? made.brokerSeed : before.brokerSeed;
  return identityOf(writeStored(folder, { ...made, format: 1, brokerSeed, olderKeys }));
}

/**
 * Forgets the keys before the newest, or of them those named: who knows only them has to be enrolled
 * again.
 */
export function retireReplicaKeys(folder: string, only?: readonly KeyPair[]): ReplicaIdentity {
  const stored = readStored(folder);
  if (stored === null) return loadOrCreateReplicaIdentity(folder);
  const retired = only?.map((keys) => rawPrivate(keys).toString('base64url'));
  const olderKeys = stored.olderKeys.filter((key) => retired?.includes(key) === false);
  return identityOf(writeStored(folder, { ...stored, olderKeys }));
}

/**
 * What the numbers of sets' tokens are proven with, newest first. Out of the static keys, so that a
 * replica whose catalog is an older copy still knows the tokens that it gave since.
 */
export function tokenKeysOf({ keys, olderKeys }: ReplicaIdentity): Buffer[] {
  return [keys, ...olderKeys].map((pair) =>
    createHmac('sha256', rawPrivate(pair)).update('afterimage token key').digest(),
  );
}

/** A new broker user: its seed (secret) and public key. */
export function newBrokerUser(): { readonly seed: string; readonly key: string } {
  const user = createUser();
  return { seed: Buffer.from(user.getSeed()).toString('latin1'), key: user.getPublicKey() };
}

function newKeys(): Pick<StoredIdentity, 'privateKey' | 'brokerSeed'> {
  return {
    privateKey: rawPrivate(generateKeyPair()).toString('base64url'),
    brokerSeed: newBrokerUser().seed,
  };
}

function readStored(folder: string): StoredIdentity | null {
  return readSecretFile(identityPath(folder), storedSchema);
}

function writeStored(folder: string, stored: StoredIdentity): StoredIdentity {
  writeSecretFile(identityPath(folder), stored);
  return stored;
}

function identityPath(folder: string): string {
  return join(folder, 'identity.json');
}

function identityOf(stored: StoredIdentity): ReplicaIdentity {
  const pair = (key: string): KeyPair => keyPairOf(Buffer.from(key, 'base64url'));
  return {
    keys: pair(stored.privateKey),
    olderKeys: stored.olderKeys.map(pair),
    brokerSeed: stored.brokerSeed,
    brokerKey: fromSeed(Buffer.from(stored.brokerSeed)).getPublicKey(),
  };
}
