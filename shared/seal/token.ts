/**
 * Secrets that are shown once and kept as a hash: enrolment tokens and the rotating token of a set
 * (R14). They are random, so a plain SHA-256 is enough.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { invariant } from '../errors.js';

export const TOKEN_BYTES = 32;

/** 32 random bytes, as base64url. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** Whose token it is: it proves its number for this set of this agent and for no other. */
export interface TokenOwner {
  readonly agent: string;
  readonly set: string;
}

const MAC_BYTES = 16;

/**
 * Makes tokens that say how many came before them, `number.random.proof`, so that a replica that forgot
 * the newest ones, being out of an older copy, can tell a newer one from an old one. The proof is an
 * HMAC-SHA-256 that only the replica can make: an agent cannot claim a number that it was never given.
 */
export class TokenMint {
  readonly #keys: readonly Buffer[];

  /** Tokens are made with the first key, and known by any. */
  constructor(keys: readonly Buffer[]) {
    this.#keys = keys;
  }

  /** At most 82 characters. */
  issue(number: number, owner: TokenOwner): string {
    const claim = `${number}.${newToken()}`;
    const [key] = this.#keys;
    invariant(key !== undefined, 'a mint has a key');
    return `${claim}.${proofOf(key, claim, owner).toString('base64url')}`;
  }

  /** 0 for a token that was not made here for this owner. */
  numberOf(token: string, owner: TokenOwner): number {
    const [, claim, digits, shown] = /^((\d{1,15})\.[\w-]+)\.([\w-]{22})$/.exec(token) ?? [];
    if (claim === undefined || shown === undefined) return 0;
    const proof = Buffer.from(shown, 'base64url');
    const proven = this.#keys.some((key) => timingSafeEqual(proof, proofOf(key, claim, owner)));
    return proven ? Number(digits) : 0;
  }
}

/** The number of a token of the form before proofs, `number.random`; 0 for any other. */
export function bareNumberOf(token: string): number {
  const digits = /^(\d{1,15})\.[\w-]+$/.exec(token)?.[1];
  return digits === undefined ? 0 : Number(digits);
}

function proofOf(key: Buffer, claim: string, { agent, set }: TokenOwner): Buffer {
  const said = ['afterimage token', agent, set, claim].join('\0');
  return createHmac('sha256', key).update(said).digest().subarray(0, MAC_BYTES);
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** True when one of `tokens` has this hash; its index, or −1. */
export function indexOfToken(tokens: readonly string[], hash: Uint8Array | null): number {
  if (hash === null) return -1;
  return tokens.findIndex((token) => timingSafeEqual(hashToken(token), hash));
}
