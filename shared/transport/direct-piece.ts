/**
 * How messages lie one behind another in a direct stream: eight bytes of lengths, subject, reply,
 * then the message as it would travel through the broker. Nothing of it is trusted: what matters in
 * a message is sealed inside it (docs/design/direct-lane.md).
 */
import { FRAME_BYTES_MAX } from '../limits.js';
import { malformed } from '../protocol/bytes.js';
import type { ByteSink } from './aimed-socket.js';
import { BufferPool, Lease } from './buffer-pool.js';
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
  /** A view of memory that nobody else uses, until `release`. */
  readonly data: Buffer;
  /** Gives the memory back to be used again; undefined where there is nothing to gain. */
  readonly release: (() => void) | undefined;
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
  /** Bytes of the whole piece. */
  readonly end: number;
}

/** Read behind a large piece, or with a small one: the head of the next, or all of it. */
const AHEAD_BYTES = 512;
/** Waits to be used again, of all streams of a thread together. */
const IDLE_BYTES_MAX = 8 * 1024 * 1024;

const pool = new BufferPool(IDLE_BYTES_MAX);

/** A piece that is larger than what is read ahead, in memory of its own. */
interface Large {
  readonly head: Head;
  readonly memory: Buffer;
}

/**
 * Puts pieces together where the socket writes them: a large one lies at the beginning of memory of its
 * own from its second read on, and is handed over without a copy. Holds one piece at most.
 */
export class PieceReader implements ByteSink {
  readonly #prefix: string;
  readonly #onPiece: (piece: Piece) => void;
  readonly #onBroken: (error: unknown) => void;
  /** Small pieces, and beginnings of large ones. */
  readonly #ahead = Buffer.allocUnsafeSlow(AHEAD_BYTES);
  #large: Large | undefined;
  /** Bytes in `#large`, or without it in `#ahead`. */
  #have = 0;
  #broken = false;

  /** `broken` is told `frame-malformed` once; then the stream is lost. */
  constructor(
    prefix: string,
    on: {
      readonly piece: (piece: Piece) => void;
      readonly broken: (error: unknown) => void;
    },
  ) {
    this.#prefix = prefix;
    this.#onPiece = on.piece;
    this.#onBroken = on.broken;
  }

  room(): Buffer {
    if (this.#large === undefined) return this.#ahead.subarray(this.#have);
    const { memory, head } = this.#large;
    return memory.subarray(this.#have, head.end + AHEAD_BYTES);
  }

  filled(count: number): void {
    if (this.#broken) return;
    this.#have += count;
    try {
      if (this.#large !== undefined) this.#takeLarge(this.#large);
      if (this.#large === undefined) this.#takeAhead();
    } catch (error) {
      this.#broken = true;
      this.#have = 0;
      this.#large = undefined;
      this.#onBroken(error);
    }
  }

  /** What came behind it is put aside first: whoever gets the piece may give its memory back at once. */
  #takeLarge({ head, memory }: Large): void {
    if (this.#have < head.end) return;
    this.#have = memory.copy(this.#ahead, 0, head.end, this.#have);
    this.#large = undefined;
    const { release } = new Lease(pool, memory);
    this.#deliver(head, memory.subarray(PIECE_HEAD_BYTES, head.end), release);
  }

  #takeAhead(): void {
    let at = 0;
    let head: Head | undefined;
    while (this.#have - at >= PIECE_HEAD_BYTES) {
      head = readHead(this.#ahead.subarray(at));
      const end = at + head.end;
      if (end > this.#have) break;
      // the place is used again at once
      this.#deliver(head, Buffer.from(this.#ahead.subarray(at + PIECE_HEAD_BYTES, end)));
      head = undefined;
      at = end;
    }
    const begun = this.#ahead.subarray(at, this.#have);
    this.#have = begun.length;
    if (head !== undefined && head.end > AHEAD_BYTES) {
      const memory = pool.take(head.end + AHEAD_BYTES);
      begun.copy(memory);
      this.#large = { head, memory };
    } else if (at > 0) {
      begun.copy(this.#ahead);
    }
  }

  #deliver(head: Head, body: Buffer, release?: () => void): void {
    const { kind, nameBytes, replyBytes } = head;
    const name = body.toString('latin1', 0, nameBytes);
    this.#onPiece({
      kind,
      subject: head.isPrefixed ? this.#prefix + name : name,
      reply: body.toString('latin1', nameBytes, nameBytes + replyBytes),
      data: body.subarray(nameBytes + replyBytes),
      release,
    });
  }
}

function readHead(bytes: Buffer): Head {
  const length = bytes.readUInt32LE(0);
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
    end: PIECE_HEAD_BYTES + length,
  };
  const dataBytes = length - head.nameBytes - head.replyBytes;
  if (dataBytes < 0 || dataBytes > PIECE_DATA_BYTES_MAX) {
    throw malformed(`a piece of ${length} bytes`);
  }
  return head;
}
