/**
 * AES-256-GCM over whole messages, and the version of it that needs nothing but node:crypto, which makes
 * a new Buffer for each piece. load-gcm.ts chooses; the bytes are the same whoever makes them.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { TAG_BYTES } from '../protocol/frame.js';

/** node:crypto's results are copied while they are in the cache: a tenth less CPU a byte. */
const PIECE_BYTES = 64 * 1024;

export interface Gcm {
  /**
   * Fills `message`, which holds its header in its first `headerBytes` and has room for the body
   * sealed and a tag of 16 bytes, with just these; the header is authenticated too.
   */
  seal(sealing: {
    readonly key: Buffer;
    readonly nonce: Buffer;
    readonly body: Uint8Array;
    readonly message: Buffer;
    readonly headerBytes: number;
  }): void;
  /**
   * The body of a message; undefined when the tag is wrong. `reuse` lets it be written over
   * `sealed`, which is garbage then also when the tag is wrong.
   */
  open(opening: {
    readonly key: Buffer;
    readonly nonce: Buffer;
    readonly header: Uint8Array;
    readonly sealed: Uint8Array;
    readonly tag: Uint8Array;
    readonly reuse: boolean;
  }): Buffer | undefined;
}

export const portableGcm: Gcm = {
  seal({ key, nonce, body, message, headerBytes }) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(message.subarray(0, headerBytes));
    for (let at = 0; at < body.length; at += PIECE_BYTES) {
      message.set(cipher.update(body.subarray(at, at + PIECE_BYTES)), headerBytes + at);
    }
    cipher.final();
    message.set(cipher.getAuthTag(), message.length - TAG_BYTES);
  },
  open({ key, nonce, header, sealed, tag }) {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAAD(header);
    decipher.setAuthTag(tag);
    const body = decipher.update(sealed);
    try {
      decipher.final();
    } catch {
      return undefined; // it says no more than that the tag is wrong
    }
    return body;
  },
};
