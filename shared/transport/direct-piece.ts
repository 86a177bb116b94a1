/**
 * How messages lie one behind another in a direct stream: eight bytes of lengths, subject, reply,
 * then the message as it would travel through the broker. Nothing of it is trusted: what matters in
 * a message is sealed inside it (docs/design/direct-lane.md).
 */
import { FRAME_BYTES_MAX } from '../limits.js';
import { malformed } from '../protocol/bytes.js';
import { inOnePiece } from './roomy-buffer.js';

export const PIECE_HEAD_BYTES = 8;
/** Largest message: a frame and some room, as the broker takes it. */
export const PIECE_DATA_BYTES_MAX = FRAME_BYTES_MAX + 64 * 1024;
const NAME_BYTES_MAX = 255;
/** The subject goes on behind the prefix that both ends know. */
const FLAG_PREFIXED = 1;

const kinds = {
  message: 1,
  /** Nobody listens where a request went; `reply` names it. */
  nobody: 2,
  /** This end may not publish there. */
  refused: 3,
  ping: 4,
  pong: 5,
} as const;
export type PieceKind = keyof typeof kinds;
const kindNames = new Map<number, PieceKind>(
  (Object.entries(kinds) as [PieceKind, number][]).map(([name, value]) => [value, name]),
);

export interface Piece {
  readonly kind: PieceKind;
  readonly subject: string;
  /** Empty for none. */
  readonly reply: string;
  /** A view of memory that nobody else uses. */
  readonly data: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** One buffer for one write; without a copy of the data when that has room around it. */
export function encodePiece(
  piece: Pick<Piece, 'kind'> & {
    readonly subject?: string;
    readonly reply?: string;
    readonly data?: Uint8Array;
  },
  prefix: string,
): Buffer {
  const { subject = '', reply = '', data = NOTHING } = piece;
  const isPrefixed = prefix !== '' && subject.startsWith(prefix);
  const name = Buffer.from(isPrefixed ? subject.slice(prefix.length) : subject);
  const answer = Buffer.from(reply);
  if (name.length > NAME_BYTES_MAX || answer.length > NAME_BYTES_MAX) {
    throw malformed('a subject that is too long');
  }
  const head = Buffer.allocUnsafe(PIECE_HEAD_BYTES + name.length + answer.length);
  head.writeUInt32LE(name.length + answer.length + data.length, 0);
  head[4] = kinds[piece.kind];
  head[5] = name.length;
  head[6] = answer.length;
  head[7] = isPrefixed ? FLAG_PREFIXED : 0;
  name.copy(head, PIECE_HEAD_BYTES);
  answer.copy(head, PIECE_HEAD_BYTES + name.length);
  return inOnePiece(head, data, NOTHING) ?? Buffer.concat([head, data]);
}

interface Head {
  readonly kind: PieceKind;
  readonly isPrefixed: boolean;
  readonly nameBytes: number;
  readonly replyBytes: number;
  /** Of everything behind the head. */
  readonly bytes: number;
}

/** Puts pieces together out of what a socket delivers; holds one piece at most. */
export class PieceReader {
  readonly #prefix: string;
  readonly #onPiece: (piece: Piece) => void;
  readonly #headBytes = Buffer.alloc(PIECE_HEAD_BYTES);
  #headFilled = 0;
  #head: Head | undefined;
  #body = NOTHING;
  #bodyFilled = 0;

  constructor(prefix: string, onPiece: (piece: Piece) => void) {
    this.#prefix = prefix;
    this.#onPiece = onPiece;
  }

  /** `chunk` belongs to the reader from now on. Throws `frame-malformed`; then the stream is lost. */
  take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#head === undefined) {
        at += this.#takeHead(chunk, at);
      } else if (this.#bodyFilled === 0 && chunk.length - at >= this.#head.bytes) {
        const end = at + this.#head.bytes;
        this.#deliver(this.#head, chunk.subarray(at, end));
        at = end;
      } else {
        at += this.#takeBody(this.#head, chunk, at);
      }
      if (this.#head?.bytes === 0) this.#deliver(this.#head, NOTHING);
    }
  }

  #takeHead(chunk: Buffer, at: number): number {
    const count = Math.min(PIECE_HEAD_BYTES - this.#headFilled, chunk.length - at);
    chunk.copy(this.#headBytes, this.#headFilled, at, at + count);
    this.#headFilled += count;
    if (this.#headFilled === PIECE_HEAD_BYTES) this.#head = readHead(this.#headBytes);
    return count;
  }

  #takeBody(head: Head, chunk: Buffer, at: number): number {
    if (this.#bodyFilled === 0) this.#body = Buffer.allocUnsafeSlow(head.bytes);
    const count = Math.min(head.bytes - this.#bodyFilled, chunk.length - at);
    chunk.copy(this.#body, this.#bodyFilled, at, at + count);
    this.#bodyFilled += count;
    if (this.#bodyFilled === head.bytes) this.#deliver(head, this.#body);
    return count;
  }

  #deliver(head: Head, body: Buffer): void {
    this.#head = undefined;
    this.#headFilled = 0;
    this.#body = NOTHING;
    this.#bodyFilled = 0;
    const { kind, nameBytes, replyBytes } = head;
    const name = body.toString('latin1', 0, nameBytes);
    this.#onPiece({
      kind,
      subject: head.isPrefixed ? this.#prefix + name : name,
      reply: body.toString('latin1', nameBytes, nameBytes + replyBytes),
      data: body.subarray(nameBytes + replyBytes),
    });
  }
}

function readHead(bytes: Buffer): Head {
  const kind = kindNames.get(bytes.readUInt8(4));
  const flags = bytes.readUInt8(7);
  if (kind === undefined || (flags & ~FLAG_PREFIXED) !== 0) {
    throw malformed('a piece of an unknown kind');
  }
  const head = {
    kind,
    isPrefixed: flags === FLAG_PREFIXED,
    nameBytes: bytes.readUInt8(5),
    replyBytes: bytes.readUInt8(6),
    bytes: bytes.readUInt32LE(0),
  };
  const dataBytes = head.bytes - head.nameBytes - head.replyBytes;
  if (dataBytes < 0 || dataBytes > PIECE_DATA_BYTES_MAX) {
    throw malformed(`a piece of ${head.bytes} bytes`);
  }
  return head;
}
