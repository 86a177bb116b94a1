/**
 * The records of a sync: what an agent says about a set, in the order in which the replica stages
 * it. A frame's body is a run of records: type (u8), length (u32), fields.
 *
 * Rules of a sync's record stream, checked by the replica:
 * - `begin` is first, `end` is last; both name the same sync.
 * - Nodes are numbered by the agent, from 2 upwards, never reused in a set (R1). Node 1 is the set
 *   itself, a folder whose entries are the roots.
 * - A `node` record says everything about a node but its content and names; a later one in the same
 *   sync replaces it. It comes before content records of that node in each round.
 * - `link`/`unlink` add and remove names; the last word on a (parent, name) counts. A rename is an
 *   unlink and a link of one node; a moved folder is one such pair, whatever it holds.
 * - Content records say what blocks are after the sync; the last word on a (node, block) counts.
 *   With body `keep`, blocks not mentioned are as in the parent point; with `new`, every block
 *   below the node's size must be mentioned. Blocks past the final size are ignored.
 * - `pages`, `same` and `splice` read what the parent point has, `pages` on top of what this sync
 *   said of the block before, if it did.
 */
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  NAME_BYTES_MAX,
  PAGE_BYTES,
  PAGES_PER_BLOCK,
  TARGET_BYTES_MAX,
  XATTRS_BYTES_MAX,
} from '../limits.js';
import type { Xattr } from '../posix/posix.js';
import { unreachable } from '../errors.js';
import { ByteReader, type ByteWriter, malformed } from './bytes.js';

export const nodeKinds = ['file', 'folder', 'symlink', 'fifo', 'socket', 'char', 'block'] as const;
export type NodeKind = (typeof nodeKinds)[number];

export const bodyWords = ['none', 'keep', 'new'] as const;
/** What happens to a file's body: not a file, patched in place, or written anew (R1). */
export type BodyWord = (typeof bodyWords)[number];

/** The node number of the set itself. */
export const SET_NODE = 1;

export interface BeginRecord {
  readonly type: 'begin';
  readonly sync: number;
  /** The newest point the agent knows, 0 for none. */
  readonly parentPoint: number;
  /** Its chain digest, 32 bytes; zeros for none (R13). */
  readonly parentChain: Uint8Array;
  /** Random 16 bytes of the agent's state database; a new one means a new history. */
  readonly incarnation: Uint8Array;
  /** The agent's clock, ms since the epoch; data only (R20). */
  readonly startedMs: number;
}

export interface NodeRecord {
  readonly type: 'node';
  readonly node: number;
  readonly kind: NodeKind;
  /** Permission bits with setuid, setgid and sticky (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file; 0 for other kinds. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Device number of a char or block node, else 0. */
  readonly rdev: number;
  /** Where a symlink points; empty for other kinds. */
  readonly target: Uint8Array;
  readonly xattrs: readonly Xattr[];
  readonly body: BodyWord;
}

export interface LinkRecord {
  readonly type: 'link';
  readonly parent: number;
  readonly name: Uint8Array;
  readonly node: number;
}

export interface UnlinkRecord {
  readonly type: 'unlink';
  readonly parent: number;
  readonly name: Uint8Array;
}

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

export interface EndRecord {
  readonly type: 'end';
  readonly sync: number;
  /** The sync's outcome as JSON: see `SyncOutcome` in sync-outcome.ts. */
  readonly outcome: Uint8Array;
}

export type ContentRecord =
  BlockRecord | PagesRecord | ZeroRecord | SameRecord | CopyRecord | SpliceRecord;

export type SyncRecord =
  BeginRecord | NodeRecord | LinkRecord | UnlinkRecord | ContentRecord | EndRecord;

const typeNumbers = {
  begin: 1,
  node: 2,
  link: 3,
  unlink: 4,
  block: 5,
  pages: 6,
  zero: 7,
  same: 8,
  copy: 9,
  splice: 10,
  end: 11,
} as const satisfies Record<SyncRecord['type'], number>;

const SEGMENTS_MAX = 4_096;
const OUTCOME_BYTES_MAX = 256 * 1024;

/** Bytes before a record's fields. */
export const RECORD_HEADER_BYTES = 5;
/** No encoded record is larger. */
export const RECORD_BYTES_MAX = 512 * 1024;

/** Appends one record. Returns the bytes it took. */
export function encodeRecord(writer: ByteWriter, record: SyncRecord): number {
  const start = writer.length;
  writer.u8(typeNumbers[record.type]);
  writer.u32(0);
  encodeFields(writer, record);
  const length = writer.length - start;
  writer.patchU32(start + 1, length - RECORD_HEADER_BYTES);
  return length;
}

function encodeFields(writer: ByteWriter, record: SyncRecord): void {
  switch (record.type) {
    case 'begin':
      writer.u53(record.sync);
      writer.u53(record.parentPoint);
      writer.bytes(record.parentChain);
      writer.bytes(record.incarnation);
      writer.u53(record.startedMs);
      return;
    case 'node':
      encodeNode(writer, record);
      return;
    case 'link':
      writer.u53(record.parent);
      writer.short(record.name);
      writer.u53(record.node);
      return;
    case 'unlink':
      writer.u53(record.parent);
      writer.short(record.name);
      return;
    case 'end':
      writer.u53(record.sync);
      writer.long(record.outcome);
      return;
    default:
      encodeContent(writer, record);
  }
}

function encodeNode(writer: ByteWriter, record: NodeRecord): void {
  writer.u53(record.node);
  writer.u8(nodeKinds.indexOf(record.kind));
  writer.u8(bodyWords.indexOf(record.body));
  writer.u16(record.mode);
  writer.u32(record.uid);
  writer.u32(record.gid);
  writer.u53(record.size);
  writer.i64(record.mtimeNs);
  writer.u53(record.rdev);
  writer.short(record.target);
  writer.long(encodeXattrs(record.xattrs));
}

function encodeContent(writer: ByteWriter, record: ContentRecord): void {
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

/** Extended attributes as one byte string: count, then name and value of each. */
export function encodeXattrs(xattrs: readonly Xattr[]): Buffer {
  if (xattrs.length === 0) return Buffer.alloc(0);
  const parts: Buffer[] = [];
  for (const { name, value } of xattrs) {
    const head = Buffer.alloc(6);
    head.writeUInt16LE(name.length, 0);
    head.writeUInt32LE(value.length, 2);
    parts.push(head, name, value);
  }
  return Buffer.concat(parts);
}

export function decodeXattrs(bytes: Uint8Array): Xattr[] {
  const reader = new ByteReader(bytes);
  const xattrs: Xattr[] = [];
  while (reader.remaining > 0) {
    const nameLength = reader.u16();
    const valueLength = reader.u32();
    xattrs.push({
      name: Buffer.from(reader.bytes(nameLength)),
      value: Buffer.from(reader.bytes(valueLength)),
    });
  }
  return xattrs;
}

/**
 * The records of a frame's body. Byte fields are views of `bytes`. Throws `frame-malformed` before
 * yielding a record that breaks a bound.
 */
export function* decodeRecords(bytes: Uint8Array): Generator<SyncRecord> {
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    const type = reader.u8();
    const fields = new ByteReader(reader.long(RECORD_BYTES_MAX));
    const record = decodeFields(type, fields);
    fields.end();
    yield record;
  }
}

function decodeFields(type: number, reader: ByteReader): SyncRecord {
  switch (type) {
    case typeNumbers.begin:
      return {
        type: 'begin',
        sync: reader.u53(),
        parentPoint: reader.u53(),
        parentChain: reader.bytes(32),
        incarnation: reader.bytes(16),
        startedMs: reader.u53(),
      };
    case typeNumbers.node:
      return decodeNode(reader);
    case typeNumbers.link:
      return {
        type: 'link',
        parent: reader.u53(),
        name: decodeName(reader),
        node: reader.u53(),
      };
    case typeNumbers.unlink:
      return { type: 'unlink', parent: reader.u53(), name: decodeName(reader) };
    case typeNumbers.end:
      return { type: 'end', sync: reader.u53(), outcome: reader.long(OUTCOME_BYTES_MAX) };
    default:
      return decodeContent(type, reader);
  }
}

function decodeNode(reader: ByteReader): NodeRecord {
  const node = reader.u53();
  const kind = nodeKinds[reader.u8()];
  const body = bodyWords[reader.u8()];
  if (kind === undefined || body === undefined) throw malformed('unknown node kind or body word');
  if ((kind === 'file') !== (body !== 'none')) throw malformed(`a ${kind} with body ${body}`);
  const mode = reader.u16();
  if (mode > 0o7777) throw malformed(`mode ${mode.toString(8)} has more than permission bits`);
  return {
    type: 'node',
    node,
    kind,
    body,
    mode,
    uid: reader.u32(),
    gid: reader.u32(),
    size: reader.u53(),
    mtimeNs: reader.i64(),
    rdev: reader.u53(),
    target: reader.short(TARGET_BYTES_MAX),
    xattrs: decodeXattrs(reader.long(XATTRS_BYTES_MAX)),
  };
}

/** A name of one entry: no separator, no zero byte, not `.` or `..` (promise 8). */
function decodeName(reader: ByteReader): Buffer {
  const name = reader.short(NAME_BYTES_MAX);
  if (!isEntryName(name))
    throw malformed('an entry name that is empty, . or .., or holds / or NUL');
  return name;
}

export function isEntryName(name: Uint8Array): boolean {
  if (name.length === 0 || name.length > NAME_BYTES_MAX) return false;
  if (name.includes(0x2f) || name.includes(0)) return false;
  return !(name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e)));
}

function decodeContent(type: number, reader: ByteReader): ContentRecord {
  const node = reader.u53();
  const block = reader.u32();
  switch (type) {
    case typeNumbers.block:
      return {
        type: 'block',
        node,
        block,
        digest: reader.bytes(DIGEST_BYTES),
        bytes: reader.long(BLOCK_BYTES),
      };
    case typeNumbers.pages:
      return decodePages(reader, { node, block });
    case typeNumbers.zero:
      return { type: 'zero', node, block, count: reader.u32() };
    case typeNumbers.same:
      return { type: 'same', node, block, count: reader.u32() };
    case typeNumbers.copy:
      return {
        type: 'copy',
        node,
        block,
        digest: reader.bytes(DIGEST_BYTES),
        length: decodeBlockLength(reader),
      };
    case typeNumbers.splice:
      return decodeSplice(reader, { node, block });
    default:
      throw malformed(`unknown record type ${type}`);
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
