/**
 * One direction of a session: seals and opens messages with AES-256-GCM. The nonce is the message
 * type and a counter of that type, so no pair of key and nonce is used twice, whatever is sent
 * again (R15); an opened counter is never opened again.
 */
import { AfterimageError } from '../errors.js';
import {
  BODY_BYTES_MAX,
  encodeHeader,
  HEADER_BYTES,
  type Message,
  type MessageType,
  messageTypes,
  TAG_BYTES,
} from '../protocol/frame.js';
import { decompressBody } from '../protocol/compress.js';
import { countStage, Stage } from '../stages.js';
import { roomyBuffer } from '../transport/roomy-buffer.js';
import { loadGcm } from './load-gcm.js';

const gcm = loadGcm();

/** A body ready to be sealed, as often as it takes. */
export interface Sealable {
  readonly type: MessageType;
  readonly sequence: number;
  readonly recordCount: number;
  /** As it travels: a zstd frame when `compressed`. */
  readonly body: Uint8Array;
  readonly compressed: boolean;
  readonly restart: boolean;
  readonly rawLength: number;
}

/** A body that travels as it is. */
export function plainBody(type: MessageType, sequence: number, body: Uint8Array): Sealable {
  return {
    type,
    sequence,
    recordCount: 0,
    body,
    compressed: false,
    restart: false,
    rawLength: body.length,
  };
}

/** Seals one direction of one session. */
export class SealingKey {
  readonly #key: Buffer;
  readonly #session: string;
  readonly #counters = new Map<MessageType, number>();

  constructor(key: Buffer, session: string) {
    this.#key = key;
    this.#session = session;
  }

  /** The whole message, and the counter it was sealed with. */
  seal(content: Sealable): { readonly bytes: Buffer; readonly counter: number } {
    if (content.body.length > BODY_BYTES_MAX) {
      throw new AfterimageError('internal', `a body of ${content.body.length} bytes to seal`);
    }
    const counter = (this.#counters.get(content.type) ?? 0) + 1;
    this.#counters.set(content.type, counter);
    const header = encodeHeader({
      type: content.type,
      compressed: content.compressed,
      restart: content.restart,
      session: this.#session,
      sequence: content.sequence,
      counter,
      recordCount: content.recordCount,
      rawLength: content.rawLength,
      bodyLength: content.body.length,
    });
    const { body } = content;
    const start = performance.now();
    const bytes = roomyBuffer(HEADER_BYTES + body.length + TAG_BYTES);
    bytes.set(header, 0);
    const nonce = nonceOf(content.type, counter);
    gcm.seal({ key: this.#key, nonce, body, message: bytes, headerBytes: HEADER_BYTES });
    countStage(Stage.seal, start, body.length);
    return { bytes, counter };
  }
}

/** Opens the other direction. */
export class OpeningKey {
  readonly #key: Buffer;
  readonly #opened = new Map<MessageType, number>();

  constructor(key: Buffer) {
    this.#key = key;
  }

  /**
   * The decrypted body, still compressed when the header says so; of records it takes the place of
   * the sealed one. Throws `frame-forged` when it was not sealed under this key, or was opened before.
   */
  open(message: Message): Buffer {
    const { type, counter } = message.header;
    const opened = this.#opened.get(type) ?? 0;
    // an answer is matched to its question's number, which is asked once
    if (counter <= opened && type !== 'answer')
      throw forged(`counter ${counter} of ${type} comes after ${opened}`);
    const start = performance.now();
    const body = gcm.open({
      key: this.#key,
      nonce: nonceOf(type, counter),
      header: message.headerBytes,
      sealed: message.body,
      tag: message.tag,
      reuse: type === 'records',
    });
    if (body === undefined) throw forged(`a ${type} message that does not open`);
    this.#opened.set(type, Math.max(opened, counter));
    countStage(Stage.open, start, body.length);
    return body;
  }

  /** The decrypted, decompressed body. Throws `frame-forged` or `frame-malformed`. */
  openRaw(message: Message): Buffer {
    const body = this.open(message);
    return message.header.compressed ? decompressBody(body, message.header.rawLength) : body;
  }
}

function nonceOf(type: MessageType, counter: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(messageTypes[type], 0);
  nonce.writeUInt32LE(counter % 0x1_0000_0000, 4);
  nonce.writeUInt32LE(Math.floor(counter / 0x1_0000_0000), 8);
  return nonce;
}

function forged(message: string): AfterimageError {
  return new AfterimageError('frame-forged', message);
}
