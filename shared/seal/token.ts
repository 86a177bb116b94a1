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

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** True when one of `tokens` has this hash; its index, or −1. */
export function indexOfToken(tokens: readonly string[], hash: Uint8Array | null): number {
  if (hash === null) return -1;
  return tokens.findIndex((token) => timingSafeEqual(hashToken(token), hash));
}
