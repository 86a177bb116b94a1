/** Ed25519 keys as the 32 raw bytes that people pass on, over node:crypto's key objects. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { AfterimageError } from '../errors.js';

const KEY_BYTES = 32;
// DER prefixes of RFC 8410: an Ed25519 private (PKCS #8) and public (SPKI) key, before the raw bytes
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export interface SigningKey {
  /** 32 raw bytes, base64url. */
  readonly publicKey: string;
  /** 32 raw bytes, base64url; secret. */
  readonly privateKey: string;
  /** 64 bytes. */
  sign(message: Uint8Array): Buffer;
}

export function generateSigningKey(): SigningKey {
  return toSigningKey(generateKeyPairSync('ed25519').privateKey);
}

/** The key of 32 raw private bytes, base64url. Throws `config-invalid`. */
export function signingKeyOf(privateKey: string): SigningKey {
  const raw = rawKey(privateKey);
  const key = Buffer.concat([privatePrefix, raw]);
  return toSigningKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
}

function toSigningKey(key: KeyObject): SigningKey {
  const rawPublic = createPublicKey(key)
    .export({ format: 'der', type: 'spki' })
    .subarray(publicPrefix.length);
  const rawPrivate = key.export({ format: 'der', type: 'pkcs8' }).subarray(privatePrefix.length);
  return {
    publicKey: rawPublic.toString('base64url'),
    privateKey: rawPrivate.toString('base64url'),
    sign: (message) => sign(null, message, key),
  };
}

/** Checks signatures under one public key. */
export type SignatureCheck = (message: Uint8Array, signature: Uint8Array) => boolean;

/** Throws `config-invalid` for what is no key. */
export function signatureCheckOf(publicKey: string): SignatureCheck {
  const key = createPublicKey({
    key: Buffer.concat([publicPrefix, rawKey(publicKey)]),
    format: 'der',
    type: 'spki',
  });
  return (message, signature) => verify(null, message, key, signature);
}

function rawKey(text: string): Buffer {
  const raw = Buffer.from(text, 'base64url');
  if (raw.length === KEY_BYTES && raw.toString('base64url') === text) return raw;
  throw new AfterimageError('config-invalid', 'a signing key is 32 bytes in base64url');
}
