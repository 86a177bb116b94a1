/**
 * How an agent changes keys without a new first copy (R23): it makes the next ones, says so in a HELLO
 * under those it has, and uses them when it was answered. Both are stored, so that neither a crash at
 * any point nor a replica that was set back to an older copy locks it out. A replica's new key is
 * learnt in a HELLO under its old one, and the old one then believed no more.
 */
import { createUser, fromSeed } from 'nkeys.js';
import { z } from 'zod';
import type { NextKeys } from '../../shared/protocol/hello.js';
import {
  generateKeyPair,
  keyPairOf,
  type KeyPair,
  rawPrivate,
} from '../../shared/seal/key-pair.js';

const base64 = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** The part of the stored identity that holds keys. */
export const storedKeysSchema = z.object({
  privateKey: base64,
  replicaPublicKey: base64,
  brokerSeed: z.string(),
  /** Made, and not in force yet; `brokerSeed` null keeps the broker user. */
  next: z
    .object({ privateKey: base64, brokerSeed: z.string().nullable() })
    .nullable()
    .default(null),
  /** Were in force before: for a replica that was set back to a copy of that time. */
  older: z.object({ privateKey: base64, brokerSeed: z.string() }).nullable().default(null),
  /** The replica's key before its newest, until that one has answered. */
  olderReplicaKey: base64.nullable().default(null),
});
export type StoredKeys = z.infer<typeof storedKeysSchema>;

/** Keys of one HELLO. */
export interface HelloKeys {
  readonly agent: KeyPair;
  readonly replica: Buffer;
  /** What the HELLO offers: keys that the replica does not know yet. */
  readonly next: NextKeys | undefined;
}

export interface KeyRotation {
  /** What HELLO may be said with, most likely first; one unless keys change. */
  helloKeys(): readonly HelloKeys[];
  /**
   * A HELLO under these keys was answered. `replicaPublicKey` is the replica's newest. True when HELLO is to be said again, under other keys. Durable when it returns.
   */
  answered(
    keys: HelloKeys,
    welcome: {
      readonly keysAsked?: 'agent' | 'agent-and-broker' | undefined;
      readonly replicaPublicKey?: string | undefined;
    },
  ): boolean;
  /** Seed of a broker user to come in with: the one let in last, or after it was refused another. */
  brokerSeed(): string;
  /** The broker let the user of the last `brokerSeed()` in. */
  brokerLetIn(): void;
}

/** HELLOs said again at once because keys change; more come with the next break. */
const AGAIN_MAX = 4;

export function rotationOf(store: {
  readonly read: () => StoredKeys;
  /** Durable when it returns. */
  readonly write: (keys: StoredKeys) => void;
}): KeyRotation {
  let offered = false;
  let again = 0;
  let seed = { last: '', letIn: false };
  const { read, write } = store;
  return {
    helloKeys: () => candidates(read(), offered),
    answered: (keys, welcome) => {
      const before = read();
      const agentKey = rawPrivate(keys.agent).toString('base64url');
      const replicaKey = keys.replica.toString('base64url');
      const after = keysAfter(before, { agentKey, replicaKey, ...welcome });
      if (after !== before) write(after);
      offered = after.next !== null && (offered || keys.next !== undefined);
      const settled =
        after.next === null &&
        after.privateKey === agentKey &&
        after.replicaPublicKey === replicaKey;
      again = settled ? 0 : again + 1;
      return again > 0 && again <= AGAIN_MAX;
    },
    brokerSeed: () => {
      const seeds = brokerSeeds(read());
      const at = seeds.indexOf(seed.last);
      const last = seed.letIn && at >= 0 ? seed.last : (seeds[(at + 1) % seeds.length] ?? '');
      seed = { last, letIn: false };
      return last;
    },
    brokerLetIn: () => {
      seed.letIn = true;
    },
  };
}

/** What is stored when a HELLO under these keys was answered so. The same object when nothing changes. */
function keysAfter(
  stored: StoredKeys,
  answer: {
    readonly agentKey: string;
    readonly replicaKey: string;
    readonly keysAsked?: 'agent' | 'agent-and-broker' | undefined;
    readonly replicaPublicKey?: string | undefined;
  },
): StoredKeys {
  const { agentKey, replicaKey, keysAsked, replicaPublicKey } = answer;
  let keys = stored;
  if (stored.next?.privateKey === agentKey) keys = promoted(keys, stored.next);
  if (keys.olderReplicaKey !== null && keys.replicaPublicKey === replicaKey) {
    keys = { ...keys, olderReplicaKey: null };
  }
  if (replicaPublicKey !== undefined && replicaPublicKey !== keys.replicaPublicKey) {
    keys = { ...keys, replicaPublicKey, olderReplicaKey: replicaKey };
  }
  if (keysAsked !== undefined && keys.next === null) keys = { ...keys, next: newKeys(keysAsked) };
  return keys;
}

/** All that the broker may know, in the order in which they are tried. */
function brokerSeeds({ brokerSeed, next, older }: StoredKeys): string[] {
  const seeds = [brokerSeed, next?.brokerSeed, older?.brokerSeed].filter(
    (known): known is string => known !== null && known !== undefined,
  );
  return [...new Set(seeds)];
}

function candidates({ next, older, ...stored }: StoredKeys, offered: boolean): HelloKeys[] {
  const current = pairOf(stored.privateKey);
  const agents: { agent: KeyPair; next: NextKeys | undefined }[] = [];
  if (next === null) {
    agents.push({ agent: current, next: undefined });
  } else {
    const agent = pairOf(next.privateKey);
    const coming = { agent, next: undefined };
    const offering = { agent: current, next: offerOf(agent, next.brokerSeed) };
    agents.push(...(offered ? [coming, offering] : [offering, coming]));
  }
  if (older !== null) {
    agents.push({ agent: pairOf(older.privateKey), next: offerOf(current, null) });
  }
  const replicas = [stored.replicaPublicKey];
  if (stored.olderReplicaKey !== null) replicas.push(stored.olderReplicaKey);
  return replicas.flatMap((replica) =>
    agents.map((keys) => ({ ...keys, replica: Buffer.from(replica, 'base64url') })),
  );
}

function pairOf(privateKey: string): KeyPair {
  return keyPairOf(Buffer.from(privateKey, 'base64url'));
}

function offerOf({ publicKey }: KeyPair, brokerSeed: string | null): NextKeys {
  return {
    publicKey: publicKey.toString('base64url'),
    brokerKey: brokerSeed === null ? null : fromSeed(Buffer.from(brokerSeed)).getPublicKey(),
  };
}

/** The next keys take the place of those in force. */
function promoted(keys: StoredKeys, next: NonNullable<StoredKeys['next']>): StoredKeys {
  const { privateKey, brokerSeed } = keys;
  return {
    ...keys,
    privateKey: next.privateKey,
    brokerSeed: next.brokerSeed ?? brokerSeed,
    next: null,
    older: { privateKey, brokerSeed },
  };
}

function newKeys(asked: 'agent' | 'agent-and-broker'): NonNullable<StoredKeys['next']> {
  return {
    privateKey: rawPrivate(generateKeyPair()).toString('base64url'),
    brokerSeed: asked === 'agent' ? null : Buffer.from(createUser().getSeed()).toString('latin1'),
  };
}
