/**
 * The envelope of every message on the wire: a fixed little-endian header, a body, and for sealed
 * messages a tag. The header is the additional data of the seal, so nothing in it can be changed
 * unseen; its checksum only tells damage from forgery. Layout: docs/design/frame.md.
 */
import { FRAME_BYTES_MAX } from '../limits.js';
import { malformed } from './bytes.js';
import { crc32c } from './crc32c.js';

export const HEADER_BYTES = 48;
export const TAG_BYTES = 16;
/** Largest body, before and after compression. */
export const BODY_BYTES_MAX = FRAME_BYTES_MAX - HEADER_BYTES - TAG_BYTES;
/** Grows with every change that an older reader would misunderstand. */
export const PROTOCOL_VERSION = 1;

const MAGIC = 0x46_49_46_41; // "AFIF" in the bytes of a message

export const messageTypes = {
  /** A run of records of a sync, or a restart of the numbering: agent → replica. */
  records: 1,
  /** Says that a session lives and which events were seen: agent → replica. */
  note: 2,
  /** What arrived, what may be sent, what is durable: replica → agent. */
  ack: 3,
  /** What became of syncs, and what the operator asks: replica → agent. */
  events: 4,
  /** A question about the set: agent → replica. */
  query: 5,
  answer: 6,
  /** First and second message of the handshake; sealed by it, without tag of their own. */
  hello: 7,
  welcome: 8,
  /** "Say hello": carries nothing and proves nothing. */
  stale: 9,
} as const;
export type MessageType = keyof typeof messageTypes;

const typeNames = new Map<number, MessageType>(
  (Object.entries(messageTypes) as [MessageType, number][]).map(([name, value]) => [value, name]),
);

const FLAG_COMPRESSED = 1;
const FLAG_RESTART = 2;
const unsealedTypes: ReadonlySet<MessageType> = new Set(['hello', 'welcome', 'stale']);

export interface Header {
  readonly type: MessageType;
  /** The body is one zstd frame of `rawLength` bytes. */
  readonly compressed: boolean;
  /** What came before in the stream and has not arrived is forgotten; the body names a new boot. */
  readonly restart: boolean;
  /** Chosen by the replica, eight bytes as 16 hex digits; zeros before there is one. */
  readonly session: string;
  /** Of a records message: its place in the stream; of a query and its answer: the question's number. */
  readonly sequence: number;
  /** Counts per key and message type; with the type it is the nonce, never used twice (R15). */
  readonly counter: number;
  readonly recordCount: number;
  readonly rawLength: number;
  readonly bodyLength: number;
}

export interface Message {
  readonly header: Header;
  /** The header's bytes: additional data of the seal. */
  readonly headerBytes: Uint8Array;
  /** As it travels: encrypted, perhaps compressed. A view. */
  readonly body: Uint8Array;
  /** Empty for unsealed types. A view. */
  readonly tag: Uint8Array;
}

/** Session of messages that belong to none. */
export const NO_SESSION = '0000000000000000';

export function isSealedType(type: MessageType): boolean {
  return !unsealedTypes.has(type);
}

/** The same of a message that was not looked at yet, and may be anything. */
export function saysSealed(bytes: Uint8Array): boolean {
  const type = typeNames.get(bytes[5] ?? 0);
  return type !== undefined && isSealedType(type);
}

export function encodeHeader(header: Header): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt8(PROTOCOL_VERSION, 4);
  bytes.writeUInt8(messageTypes[header.type], 5);
  const flags = (header.compressed ? FLAG_COMPRESSED : 0) | (header.restart ? FLAG_RESTART : 0);
  bytes.writeUInt16LE(flags, 6);
  bytes.write(header.session, 8, 8, 'hex');
  writeU53(bytes, header.sequence, 16);
  writeU53(bytes, header.counter, 24);
  bytes.writeUInt32LE(header.recordCount, 32);
  bytes.writeUInt32LE(header.rawLength, 36);
  bytes.writeUInt32LE(header.bodyLength, 40);
  bytes.writeUInt32LE(crc32c(bytes, 0, 44), 44);
  return bytes;
}

/** Throws `frame-malformed` unless `bytes` is exactly one message within all bounds. */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length < HEADER_BYTES) throw malformed(`a message of ${bytes.length} bytes`);
  if (bytes.length > FRAME_BYTES_MAX) throw malformed(`a message of ${bytes.length} bytes`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = decodeHeader(buffer);
  const tagLength = isSealedType(header.type) ? TAG_BYTES : 0;
  if (bytes.length !== HEADER_BYTES + header.bodyLength + tagLength) {
    throw malformed(`a message of ${bytes.length} bytes says its body has ${header.bodyLength}`);
  }
  const bodyEnd = HEADER_BYTES + header.bodyLength;
  return {
    header,
    headerBytes: buffer.subarray(0, HEADER_BYTES),
    body: buffer.subarray(HEADER_BYTES, bodyEnd),
    tag: buffer.subarray(bodyEnd),
  };
}

function decodeHeader(buffer: Buffer): Header {
  if (buffer.readUInt32LE(0) !== MAGIC) throw malformed('not a message of Afterimage');
  const version = buffer.readUInt8(4);
  if (version !== PROTOCOL_VERSION) throw malformed(`protocol version ${version}`);
  if (buffer.readUInt32LE(44) !== crc32c(buffer, 0, 44)) {
    throw malformed('the header does not have its checksum');
  }
  const type = typeNames.get(buffer.readUInt8(5));
  const flags = buffer.readUInt16LE(6);
  if (type === undefined || (flags & ~(FLAG_COMPRESSED | FLAG_RESTART)) !== 0) {
    throw malformed('unknown message type or flags');
  }
  const compressed = (flags & FLAG_COMPRESSED) !== 0;
  const rawLength = buffer.readUInt32LE(36);
  const bodyLength = buffer.readUInt32LE(40);
  if (rawLength > BODY_BYTES_MAX || bodyLength > BODY_BYTES_MAX) {
    throw malformed(`a body of ${rawLength} bytes, ${bodyLength} sent`);
  }
  if (!compressed && rawLength !== bodyLength) throw malformed('two lengths of one body');
  const recordCount = buffer.readUInt32LE(32);
  if (recordCount > rawLength) throw malformed(`${recordCount} records in ${rawLength} bytes`);
  return {
    type,
    compressed,
    restart: (flags & FLAG_RESTART) !== 0,
    session: buffer.toString('hex', 8, 16),
    sequence: readU53(buffer, 16),
    counter: readU53(buffer, 24),
    recordCount,
    rawLength,
    bodyLength,
  };
}

/** A message of an unsealed type. */
export function encodeUnsealed(type: 'hello' | 'welcome' | 'stale', body: Uint8Array): Buffer {
  const header = encodeHeader({
    type,
    compressed: false,
    restart: false,
    session: NO_SESSION,
    sequence: 0,
    counter: 0,
    recordCount: 0,
    rawLength: body.length,
    bodyLength: body.length,
  });
  return Buffer.concat([header, body]);
}

function writeU53(bytes: Buffer, value: number, offset: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, offset);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}

function readU53(bytes: Buffer, offset: number): number {
  const high = bytes.readUInt32LE(offset + 4);
  if (high > 0x1f_ffff) throw malformed('a number exceeds 53 bits');
  return high * 0x1_0000_0000 + bytes.readUInt32LE(offset);
}
