/**
 * Questions an agent asks about its set, and their answers. Both travel sealed, as a request and
 * its reply; the number of the question is the sequence in both headers.
 */
import { AfterimageError } from '../errors.js';
import { DIGEST_BYTES } from '../limits.js';
import { ByteReader, ByteWriter, malformed } from './bytes.js';
import { BODY_BYTES_MAX } from './frame.js';
import { errorCodeOf } from './hello.js';

/** Digests in one question. */
export const HAS_DIGESTS_MAX = 10_000;
const CURSOR_BYTES_MAX = 4096;
/** Bytes of a signature in one answer. */
export const SIGNATURE_PART_BYTES = 768 * 1024;

export type Query =
  | { readonly type: 'has'; readonly digests: Uint8Array }
  | {
      readonly type: 'signature';
      readonly node: number;
      readonly minBytes: number;
      readonly averageBytes: number;
      readonly maxBytes: number;
      /** Bytes of the signature the agent already has. */
      readonly offset: number;
    }
  | { readonly type: 'state'; readonly cursor: string }
  /** About a restore that the agent was asked for: see restore-question.ts. */
  | { readonly type: 'restore'; readonly question: Uint8Array };

const kinds = { has: 1, signature: 2, state: 3, restore: 4 } as const;

export function encodeQuery(query: Query): Buffer {
  const writer = new ByteWriter(64);
  writer.u8(kinds[query.type]);
  switch (query.type) {
    case 'has':
      writer.long(query.digests);
      break;
    case 'signature':
      writer.u53(query.node);
      writer.u32(query.minBytes);
      writer.u32(query.averageBytes);
      writer.u32(query.maxBytes);
      writer.u53(query.offset);
      break;
    case 'state':
      writer.short(Buffer.from(query.cursor));
      break;
    case 'restore':
      writer.long(query.question);
      break;
  }
  return writer.view();
}

/** Throws `frame-malformed`. Byte fields are views. */
export function decodeQuery(bytes: Uint8Array): Query {
  const reader = new ByteReader(bytes);
  const query = decodeFields(reader);
  reader.end();
  return query;
}

function decodeFields(reader: ByteReader): Query {
  const kind = reader.u8();
  switch (kind) {
    case kinds.has: {
      const digests = reader.long(HAS_DIGESTS_MAX * DIGEST_BYTES);
      if (digests.length % DIGEST_BYTES !== 0) throw malformed('a digest that is cut short');
      return { type: 'has', digests };
    }
    case kinds.signature:
      return {
        type: 'signature',
        node: reader.u53(),
        minBytes: reader.u32(),
        averageBytes: reader.u32(),
        maxBytes: reader.u32(),
        offset: reader.u53(),
      };
    case kinds.state:
      return { type: 'state', cursor: reader.short(CURSOR_BYTES_MAX).toString('utf8') };
    case kinds.restore:
      return { type: 'restore', question: reader.long(BODY_BYTES_MAX) };
    default:
      throw malformed(`a question of kind ${kind}`);
  }
}

/** `total` is a signature's whole length; `next` the cursor of the following page of state. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly total: number;
  readonly next: string | null;
}

export function encodeAnswer(answer: Answer | AfterimageError): Buffer {
  const writer = new ByteWriter(64);
  if (answer instanceof AfterimageError) {
    writer.u8(0);
    writer.short(Buffer.from(answer.code));
    writer.short(Buffer.from(answer.message.slice(0, 2000)));
    return writer.view();
  }
  writer.u8(1);
  writer.u53(answer.total);
  writer.u8(answer.next === null ? 0 : 1);
  writer.short(Buffer.from(answer.next ?? ''));
  writer.long(answer.bytes);
  return writer.view();
}

/** Throws `frame-malformed`, or the error that the replica answered with. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const reader = new ByteReader(bytes);
  if (reader.u8() === 0) {
    const code = reader.short(100).toString('utf8');
    const message = reader.short(10_000).toString('utf8');
    throw new AfterimageError(errorCodeOf(code), message);
  }
  const total = reader.u53();
  const hasNext = reader.u8() !== 0;
  const next = reader.short(CURSOR_BYTES_MAX).toString('utf8');
  const answer = { total, next: hasNext ? next : null, bytes: reader.long(BODY_BYTES_MAX) };
  reader.end();
  return answer;
}
