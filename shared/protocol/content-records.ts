/**
 * Records that say what blocks of a file are after the sync: literally, as pages over what there was, as
 * zeros, unchanged, copied by digest, or put together. Rules of their order are in records.ts.
 */
import { unreachable } from '../errors.js';
import { BLOCK_BYTES, DIGEST_BYTES, PAGE_BYTES, PAGES_PER_BLOCK } from '../limits.js';
import { type ByteReader, type ByteWriter, malformed } from './bytes.js';

/** A whole block, literally. */
export interface BlockRecord {
  readonly type: 'block';
  readonly node: number;
  readonly block: number;
  readonly digest: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Pages laid over what the block is so far; `digest` is that of the whole new block. */
export interface PagesRecord {
  readonly type: 'pages';
  readonly node: number;
  readonly block: number;
  readonly digest: Uint8Array;
  /** Bytes of the new block. */
  readonly length: number;
  /** Bit i set: page i follows. */
  readonly mask: number;
  /** The pages in order; only the block's last page may be short. */
  readonly bytes: Uint8Array;
}

/** Blocks that are all zero, of the length their place in the file gives them. */
export interface ZeroRecord {
  readonly type: 'zero';
  readonly node: number;
  readonly block: number;
  readonly count: number;
}

/** Blocks that are what they were in the parent point, for a body written anew. */
export interface SameRecord {
  readonly type: 'same';
  readonly node: number;
  readonly block: number;
  readonly count: number;
}

/** A block whose content the replica has under this digest (it said so, or committed it before). */
export interface CopyRecord {
  readonly type: 'copy';
  readonly node: number;
  readonly block: number;
  readonly digest: Uint8Array;
  readonly length: number;
}

/** A block put together from literal bytes and stretches of a file of the parent point. */
export interface SpliceRecord {
  readonly type: 'splice';
  readonly node: number;
  readonly block: number;
  readonly digest: Uint8Array;
  readonly length: number;
  /** The file whose bytes in the parent point are copied. */
  readonly source: number;
  readonly segments: readonly SpliceSegment[];
}

export type SpliceSegment =
  | { readonly type: 'old'; readonly offset: number; readonly length: number }
  | { readonly type: 'literal'; readonly bytes: Uint8Array };

export type ContentRecord =
  BlockRecord | PagesRecord | ZeroRecord | SameRecord | CopyRecord | SpliceRecord;

const SEGMENTS_MAX = 4_096;
/** Appends the record's fields. */
export function encodeContent(writer: ByteWriter, record: ContentRecord): void {
  writer.u53(record.node);
  writer.u32(record.block);
  switch (record.type) {
    case 'block':
      writer.bytes(record.digest);
      writer.long(record.bytes);
      return;
    case 'pages':
      writer.bytes(record.digest);
      writer.u32(record.length);
      writer.u16(record.mask);
      writer.long(record.bytes);
      return;
    case 'zero':
    case 'same':
      writer.u32(record.count);
      return;
    case 'copy':
      writer.bytes(record.digest);
      writer.u32(record.length);
      return;
    case 'splice':
      writer.bytes(record.digest);
      writer.u32(record.length);
      writer.u53(record.source);
      writer.u16(record.segments.length);
      for (const segment of record.segments) encodeSegment(writer, segment);
      return;
    default:
      unreachable(record);
  }
}

function encodeSegment(writer: ByteWriter, segment: SpliceSegment): void {
  if (segment.type === 'old') {
    writer.u8(0);
    writer.u53(segment.offset);
    writer.u32(segment.length);
  } else {
    writer.u8(1);
    writer.long(segment.bytes);
  }
}

/** The record whose fields come next. Throws `frame-malformed`; byte fields are views. */
export function decodeContent(type: ContentRecord['type'], reader: ByteReader): ContentRecord {
  const node = reader.u53();
  const block = reader.u32();
  switch (type) {
    case 'block':
      return {
        type: 'block',
        node,
        block,
        digest: reader.bytes(DIGEST_BYTES),
        bytes: reader.long(BLOCK_BYTES),
      };
    case 'pages':
      return decodePages(reader, { node, block });
    case 'zero':
      return { type: 'zero', node, block, count: reader.u32() };
    case 'same':
      return { type: 'same', node, block, count: reader.u32() };
    case 'copy':
      return {
        type: 'copy',
        node,
        block,
        digest: reader.bytes(DIGEST_BYTES),
        length: decodeBlockLength(reader),
      };
    case 'splice':
      return decodeSplice(reader, { node, block });
    default:
      return unreachable(type);
  }
}

function decodePages(reader: ByteReader, at: { node: number; block: number }): PagesRecord {
  const digest = reader.bytes(DIGEST_BYTES);
  const length = decodeBlockLength(reader);
  const mask = reader.u16();
  const bytes = reader.long(BLOCK_BYTES);
  if (bytes.length !== maskedBytes(mask, length)) {
    throw malformed(`pages of mask ${mask.toString(16)} do not take ${bytes.length} bytes`);
  }
  return { type: 'pages', ...at, digest, length, mask, bytes };
}

/** Bytes of the pages in `mask` of a block of `length` bytes. */
export function maskedBytes(mask: number, length: number): number {
  let total = 0;
  for (let page = 0; page < PAGES_PER_BLOCK; page += 1) {
    if ((mask & (1 << page)) !== 0) {
      total += Math.max(0, Math.min(PAGE_BYTES, length - page * PAGE_BYTES));
    }
  }
  return total;
}

function decodeSplice(reader: ByteReader, at: { node: number; block: number }): SpliceRecord {
  const digest = reader.bytes(DIGEST_BYTES);
  const length = decodeBlockLength(reader);
  const source = reader.u53();
  const count = reader.u16();
  if (count > SEGMENTS_MAX) throw malformed(`${count} segments exceed ${SEGMENTS_MAX}`);
  const segments: SpliceSegment[] = [];
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    const segment = decodeSegment(reader);
    total += segment.type === 'old' ? segment.length : segment.bytes.length;
    if (total > length) throw malformed('segments exceed their block');
    segments.push(segment);
  }
  if (total !== length) throw malformed('segments do not fill their block');
  return { type: 'splice', ...at, digest, length, source, segments };
}

function decodeSegment(reader: ByteReader): SpliceSegment {
  const kind = reader.u8();
  if (kind === 0) return { type: 'old', offset: reader.u53(), length: reader.u32() };
  if (kind === 1) return { type: 'literal', bytes: reader.long(BLOCK_BYTES) };
  throw malformed(`unknown segment kind ${kind}`);
}

function decodeBlockLength(reader: ByteReader): number {
  const length = reader.u32();
  if (length === 0 || length > BLOCK_BYTES) throw malformed(`a block of ${length} bytes`);
  return length;
}
