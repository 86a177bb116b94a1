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
import { NAME_BYTES_MAX, TARGET_BYTES_MAX, XATTRS_BYTES_MAX } from '../limits.js';
import type { Xattr } from '../posix/posix.js';
import { ByteReader, type ByteWriter, malformed } from './bytes.js';
import { type ContentRecord, decodeContent, encodeContent } from './content-records.js';

export type {
  BlockRecord,
  ContentRecord,
  CopyRecord,
  PagesRecord,
  SameRecord,
  SpliceRecord,
  SpliceSegment,
  ZeroRecord,
} from './content-records.js';

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

export interface EndRecord {
  readonly type: 'end';
  readonly sync: number;
  /** The sync's outcome as JSON: see `SyncOutcome` in sync-outcome.ts. */
  readonly outcome: Uint8Array;
}

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

const nothing = Buffer.alloc(0);

const OUTCOME_BYTES_MAX = 256 * 1024;

const contentTypes = ['block', 'pages', 'zero', 'same', 'copy', 'splice'] as const;

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

/** Extended attributes as one byte string: count, then name and value of each. */
export function encodeXattrs(xattrs: readonly Xattr[]): Buffer {
  if (xattrs.length === 0) return nothing;
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
  if (bytes.length === 0) return [];
  const reader = new ByteReader(bytes);
  const xattrs: Xattr[] = [];
  while (reader.remaining > 0) {
    const nameLength = reader.u16();
    const valueLength = reader.u32();
    const name = Buffer.from(reader.bytes(nameLength));
    // No system has such an attribute: none could be given back.
    if (nameLength === 0 || nameLength > NAME_BYTES_MAX || name.includes(0))
      throw malformed('an attribute name that is empty, too long or holds NUL');
    xattrs.push({ name, value: Buffer.from(reader.bytes(valueLength)) });
  }
  return xattrs;
}

/**
 * The records of a frame's body. Byte fields are views of `bytes`. Throws `frame-malformed` before
 * yielding a record that breaks a bound.
 */
export function* decodeRecords(bytes: Uint8Array): Generator<SyncRecord> {
  for (const { record } of decodeReceived(bytes)) yield record;
}

/** The same, each with its own encoding: a view, valid as long as `bytes`. */
export function* decodeReceived(
  bytes: Uint8Array,
): Generator<{ readonly record: SyncRecord; readonly encoded: Uint8Array }> {
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    const start = reader.offset;
    const type = reader.u8();
    const fields = new ByteReader(reader.long(RECORD_BYTES_MAX));
    const record = decodeFields(type, fields);
    fields.end();
    yield { record, encoded: bytes.subarray(start, reader.offset) };
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
      return decodeContent(contentTypeOf(type), reader);
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
  const record: NodeRecord = {
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
  // No system can make such a link, so no sync that holds one could ever be applied.
  if (kind === 'symlink' && (record.target.length === 0 || record.target.includes(0)))
    throw malformed('a link target that is empty or holds NUL');
  return record;
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

function contentTypeOf(type: number): ContentRecord['type'] {
  const found = contentTypes.find((name) => typeNumbers[name] === type);
  if (found === undefined) throw malformed(`unknown record type ${type}`);
  return found;
}
