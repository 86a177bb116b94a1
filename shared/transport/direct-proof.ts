/**
 * How the two ends of a new direct stream prove each other that they hold the secret of one session.
 * Three messages of fixed length: the agent names the session, the replica proves, the agent proves.
 * Each proof covers fresh random bytes of both, so neither is good a second time.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { malformed } from '../protocol/bytes.js';
import { AfterimageError } from '../errors.js';

const MAGIC = Buffer.from('AFDL\x01\0\0\0', 'latin1');
const SESSION_BYTES = 8;
const NONCE_BYTES = 16;
const MAC_BYTES = 32;

/** Lengths of the three messages. */
export const OPENING_BYTES = MAGIC.length + SESSION_BYTES + NONCE_BYTES;
export const ANSWER_BYTES = NONCE_BYTES + MAC_BYTES;
export const CLOSING_BYTES = MAC_BYTES;

/** The agent's first message; `session` is 16 hex digits. */
export function newOpening(session: string): Buffer {
  return Buffer.concat([MAGIC, Buffer.from(session, 'hex'), randomBytes(NONCE_BYTES)]);
}

/** The session that an opening names. Throws `frame-malformed`. */
export function sessionOfOpening(opening: Buffer): string {
  if (opening.length !== OPENING_BYTES || !opening.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw malformed('not the opening of a direct stream');
  }
  return opening.toString('hex', MAGIC.length, MAGIC.length + SESSION_BYTES);
}

/** The replica's message. */
export function answerOpening(key: Buffer, opening: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  return Buffer.concat([nonce, mac(key, 'replica', [opening, nonce])]);
}

/** The agent's second message, once the replica's proof is right. Throws `frame-forged`. */
export function closeProof(key: Buffer, opening: Buffer, answer: Buffer): Buffer {
  const nonce = answer.subarray(0, NONCE_BYTES);
  requireEqual(answer.subarray(NONCE_BYTES), mac(key, 'replica', [opening, nonce]), 'replica');
  return mac(key, 'agent', [opening, answer]);
}

/** Throws `frame-forged`. */
export function checkClosing(
  key: Buffer,
  said: { readonly opening: Buffer; readonly answer: Buffer; readonly closing: Buffer },
): void {
  requireEqual(said.closing, mac(key, 'agent', [said.opening, said.answer]), 'agent');
}

function mac(key: Buffer, who: 'agent' | 'replica', parts: readonly Buffer[]): Buffer {
  const hash = createHmac('sha256', key).update(`afterimage direct ${who}`);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function requireEqual(given: Buffer, right: Buffer, who: string): void {
  if (given.length === right.length && timingSafeEqual(given, right)) return;
  throw new AfterimageError(
    'frame-forged',
    `the ${who} at the other end has not the session's key`,
  );
}
