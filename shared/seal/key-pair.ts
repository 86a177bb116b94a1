/**
 * X25519 keys as the 32 raw bytes that the handshake mixes, over node:crypto's key objects.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { AfterimageError } from '../errors.js';

export const KEY_BYTES = 32;

export interface KeyPair {
  readonly privateKey: KeyObject;
  /** 32 raw bytes. */
  readonly publicKey: Buffer;
}

// DER prefixes of RFC 8410: an X25519 private (PKCS #8) and public (SPKI) key, before the raw bytes
const privatePrefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex');

export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicKey: rawPublic(publicKey) };
}

/** The pair of a private key of 32 raw bytes. Throws `config-invalid` for another length. */
export function keyPairOf(rawPrivate: Uint8Array): KeyPair {
  if (rawPrivate.length !== KEY_BYTES) {
    throw new AfterimageError('config-invalid', `a private key of ${rawPrivate.length} bytes`);
  }
  const privateKey = createPrivateKey({
    key: Buffer.concat([privatePrefix, rawPrivate]),
    format: 'der',
    type: 'pkcs8',
  });
  return { privateKey, publicKey: rawPublic(createPublicKey(privateKey)) };
}

/** The 32 raw bytes of a private key, for storing it. */
export function rawPrivate(pair: KeyPair): Buffer {
  return pair.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(privatePrefix.length);
}

/**
 * The shared secret of a pair and somebody's public key, 32 bytes. Throws `frame-forged` for a
 * public key of small order, whose secret anybody knows.
 */
export function sharedSecret(pair: KeyPair, publicKey: Uint8Array): Buffer {
  try {
    const key = createPublicKey({
      key: Buffer.concat([publicPrefix, publicKey]),
      format: 'der',
      type: 'spki',
    });
    const secret = diffieHellman({ privateKey: pair.privateKey, publicKey: key });
    if (secret.every((byte) => byte === 0)) throw new Error('the shared secret is zero');
    return secret;
  } catch (cause) {
    throw new AfterimageError('frame-forged', 'a public key that gives no secret', { cause });
  }
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(publicPrefix.length);
}
