/**
 * Noise_IK_25519_AESGCM_SHA256 (noiseprotocol.org, revision 34) on node:crypto: the agent knows the
 * replica's static key, shows its own only encrypted, and both get a key per direction bound to
 * everything that was said. The prologue binds the handshake to one set of one agent.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { AfterimageError } from '../errors.js';
import { generateKeyPair, KEY_BYTES, type KeyPair, sharedSecret } from './key-pair.js';

const TAG_BYTES = 16;
const protocolName = 'Noise_IK_25519_AESGCM_SHA256';

/** Bytes a first message is longer than its payload. */
export const HELLO_OVERHEAD_BYTES = KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES;

/** Secrets of one session, 32 bytes each. */
export interface SessionSecrets {
  /** A key for each direction. */
  readonly agentToReplica: Buffer;
  readonly replicaToAgent: Buffer;
  /** What both ends of a direct stream prove each other to have (docs/design/direct-lane.md). */
  readonly lane: Buffer;
}

const LANE_LABEL = 'afterimage direct lane';

/** The symmetric state of the Noise specification, section 5.2. */
class Transcript {
  #hash: Buffer;
  #chainingKey: Buffer;
  #key: Buffer | undefined;
  #nonce = 0;

  constructor(prologue: Uint8Array, responderStatic: Uint8Array) {
    this.#hash = Buffer.alloc(KEY_BYTES);
    this.#hash.write(protocolName, 'latin1');
    this.#chainingKey = this.#hash;
    this.mixHash(prologue);
    this.mixHash(responderStatic);
  }

  mixHash(bytes: Uint8Array): void {
    this.#hash = createHash('sha256').update(this.#hash).update(bytes).digest();
  }

  mixKey(secret: Uint8Array): void {
    [this.#chainingKey, this.#key] = expand(this.#chainingKey, secret);
    this.#nonce = 0;
  }

  encryptAndHash(plain: Uint8Array): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#keyNow(), this.#nextNonce());
    cipher.setAAD(this.#hash);
    const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    this.mixHash(sealed);
    return sealed;
  }

  decryptAndHash(sealed: Uint8Array): Buffer {
    const split = sealed.length - TAG_BYTES;
    if (split < 0) throw forged('a handshake message that is too short');
    const decipher = createDecipheriv('aes-256-gcm', this.#keyNow(), this.#nextNonce());
    decipher.setAAD(this.#hash);
    decipher.setAuthTag(sealed.subarray(split));
    try {
      const plain = Buffer.concat([decipher.update(sealed.subarray(0, split)), decipher.final()]);
      this.mixHash(sealed);
      return plain;
    } catch (cause) {
      throw forged('a handshake message that does not open', cause);
    }
  }

  split(): SessionSecrets {
    const [agentToReplica, replicaToAgent] = expand(this.#chainingKey, Buffer.alloc(0));
    // A further output, as section 11.2 has it: what it keys shares nothing with the two above.
    const extracted = hmac(this.#chainingKey, '');
    return { agentToReplica, replicaToAgent, lane: hmac(extracted, LANE_LABEL) };
  }

  #keyNow(): Buffer {
    if (this.#key === undefined) throw forged('nothing agreed yet');
    return this.#key;
  }

  #nextNonce(): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(this.#nonce, 8);
    this.#nonce += 1;
    return nonce;
  }
}

/** The agent's side: one object for one attempt. */
export class Initiator {
  readonly #transcript: Transcript;
  readonly #static: KeyPair;
  readonly #ephemeral: KeyPair;
  readonly #replica: Uint8Array;

  /** `ephemeral` is given only by tests that check published vectors. */
  constructor(options: {
    readonly prologue: Uint8Array;
    readonly identity: KeyPair;
    readonly replicaPublicKey: Uint8Array;
    readonly ephemeral?: KeyPair;
  }) {
    this.#transcript = new Transcript(options.prologue, options.replicaPublicKey);
    this.#static = options.identity;
    this.#ephemeral = options.ephemeral ?? generateKeyPair();
    this.#replica = options.replicaPublicKey;
  }

  /** The first message: e, es, s, ss. */
  hello(payload: Uint8Array): Buffer {
    const transcript = this.#transcript;
    transcript.mixHash(this.#ephemeral.publicKey);
    transcript.mixKey(sharedSecret(this.#ephemeral, this.#replica));
    const identity = transcript.encryptAndHash(this.#static.publicKey);
    transcript.mixKey(sharedSecret(this.#static, this.#replica));
    return Buffer.concat([this.#ephemeral.publicKey, identity, transcript.encryptAndHash(payload)]);
  }

  /** Opens the second message: e, ee, se. Throws `frame-forged`. */
  welcome(message: Uint8Array): { readonly payload: Buffer; readonly secrets: SessionSecrets } {
    const transcript = this.#transcript;
    const theirs = message.subarray(0, KEY_BYTES);
    transcript.mixHash(theirs);
    transcript.mixKey(sharedSecret(this.#ephemeral, theirs));
    transcript.mixKey(sharedSecret(this.#static, theirs));
    const payload = transcript.decryptAndHash(message.subarray(KEY_BYTES));
    return { payload, secrets: transcript.split() };
  }
}

/** The replica's side: reads one first message, then may answer it. */
export class Responder {
  readonly #transcript: Transcript;
  readonly #ephemeral: KeyPair;
  readonly #agentEphemeral: Buffer;
  /** Who says hello, proven by the handshake itself. 32 raw bytes. */
  readonly agentPublicKey: Buffer;
  readonly payload: Buffer;

  /** Throws `frame-forged` when `message` was not made for this identity and prologue. */
  constructor(options: {
    readonly prologue: Uint8Array;
    readonly identity: KeyPair;
    readonly message: Uint8Array;
    readonly ephemeral?: KeyPair;
  }) {
    const { identity, message } = options;
    if (message.length < HELLO_OVERHEAD_BYTES) throw forged('a first message that is too short');
    const transcript = new Transcript(options.prologue, identity.publicKey);
    this.#transcript = transcript;
    this.#ephemeral = options.ephemeral ?? generateKeyPair();
    this.#agentEphemeral = Buffer.from(message.subarray(0, KEY_BYTES));
    transcript.mixHash(this.#agentEphemeral);
    transcript.mixKey(sharedSecret(identity, this.#agentEphemeral));
    const staticEnd = KEY_BYTES + KEY_BYTES + TAG_BYTES;
    this.agentPublicKey = transcript.decryptAndHash(message.subarray(KEY_BYTES, staticEnd));
    transcript.mixKey(sharedSecret(identity, this.agentPublicKey));
    this.payload = transcript.decryptAndHash(message.subarray(staticEnd));
  }

  /** The second message; called once. */
  welcome(payload: Uint8Array): { readonly message: Buffer; readonly secrets: SessionSecrets } {
    const transcript = this.#transcript;
    transcript.mixHash(this.#ephemeral.publicKey);
    transcript.mixKey(sharedSecret(this.#ephemeral, this.#agentEphemeral));
    transcript.mixKey(sharedSecret(this.#ephemeral, this.agentPublicKey));
    const sealed = transcript.encryptAndHash(payload);
    const message = Buffer.concat([this.#ephemeral.publicKey, sealed]);
    return { message, secrets: transcript.split() };
  }
}

/** HKDF with two outputs (Noise, section 4.3). */
function expand(chainingKey: Uint8Array, material: Uint8Array): [Buffer, Buffer] {
  const extracted = createHmac('sha256', chainingKey).update(material).digest();
  const first = createHmac('sha256', extracted)
    .update(Buffer.from([1]))
    .digest();
  const second = createHmac('sha256', extracted)
    .update(first)
    .update(Buffer.from([2]))
    .digest();
  return [first, second];
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function forged(message: string, cause?: unknown): AfterimageError {
  return new AfterimageError('frame-forged', message, { cause });
}
