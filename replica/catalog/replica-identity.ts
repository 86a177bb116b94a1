/** The replica's own keys, made once and kept in its data folder. */
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
  /** Static keys that every agent pins at its enrolment. */
  readonly keys: KeyPair;
  /** Seed and public key of the replica's broker user. */
  readonly brokerSeed: string;
  readonly brokerKey: string;
}

const storedSchema = z.object({
  format: z.literal(1),
  privateKey: z.string().length(43),
  brokerSeed: z.string(),
});

/** Loads the identity kept in `folder`, or makes one there. Throws `config-unreadable`. */
export function loadOrCreateReplicaIdentity(folder: string): ReplicaIdentity {
  const path = join(folder, 'identity.json');
  let stored = readSecretFile(path, storedSchema);
  if (stored === null) {
    stored = {
      format: 1,
      privateKey: rawPrivate(generateKeyPair()).toString('base64url'),
      brokerSeed: newBrokerUser().seed,
    };
    writeSecretFile(path, stored);
  }
  return {
    keys: keyPairOf(Buffer.from(stored.privateKey, 'base64url')),
    brokerSeed: stored.brokerSeed,
    brokerKey: fromSeed(Buffer.from(stored.brokerSeed)).getPublicKey(),
  };
}

/** A new broker user: its seed (secret) and public key. */
export function newBrokerUser(): { readonly seed: string; readonly key: string } {
  const user = createUser();
  return { seed: Buffer.from(user.getSeed()).toString('latin1'), key: user.getPublicKey() };
}
