/**
 * Secrets that are shown once and kept as a hash: enrolment tokens and the rotating token of a set
 * (R14). They are random, so a plain SHA-256 is enough.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

export const TOKEN_BYTES = 32;

/** 32 random bytes, as base64url. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/**
 * A token that says how many came before it, so that whoever forgot the newest ones, as a replica out
 * of an older copy, can tell a newer one from an old one.
 */
export function numberedToken(number: number): string {
  return `${number}.${newToken()}`;
}

/** 0 for a token without a number. */
export function numberOfToken(token: string): number {
  const digits = /^(\d{1,15})\./.exec(token)?.[1];
  return digits === undefined ? 0 : Number(digits);
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** True when one of `tokens` has this hash; its index, or −1. */
export function indexOfToken(tokens: readonly string[], hash: Uint8Array | null): number {
  if (hash === null) return -1;
  return tokens.findIndex((token) => timingSafeEqual(hashToken(token), hash));
}
