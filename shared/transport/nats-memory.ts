/**
 * Large messages through the client library without its copies: on the way out one is written from where
 * it was sealed, on the way in it is gathered in one piece of its size, and both pieces of memory are used
 * again. By itself the library grows what it gathers step by step, each step zeroed and copied, which is
 * the larger part of a receiver's time. It does not declare what is used here: where something of it is
 * missing, everything goes the library's own way.
 */
import type { NatsConnection } from 'nats';
import { BufferPool, Lease } from './buffer-pool.js';
import { inOnePiece, reuseRoomy } from './roomy-buffer.js';

/** From here on a message is worth it: a read of the socket has 64 KiB. */
const LARGE_BYTES_MIN = 64 * 1024;
/** Larger ones the library may gather as it likes; a broker of ours takes none. */
const LARGE_BYTES_MAX = 2 * 1024 * 1024;
/** Waits to be used again, of all connections of a thread together. */
const IDLE_BYTES_MAX = 4 * 1024 * 1024;
const LINE_END = Buffer.from('\r\n');

const pool = new BufferPool(IDLE_BYTES_MAX);
const lent = new WeakMap<ArrayBufferLike, Lease>();

/** What it gathers a message in that came in part; `write` appends. */
interface Gathered {
  readonly length: number;
  bytes(options: { readonly copy: boolean }): Uint8Array;
  write(bytes: Uint8Array): number;
  writeByte(byte: number): number;
}

interface Parser {
  parse(bytes: Uint8Array): void;
  /** Of the message that is being read. */
  readonly ma?: { readonly size?: number };
  msgBuf?: Gathered | undefined;
}

interface Protocol {
  readonly connected: boolean;
  readonly infoReceived: boolean;
  /** Sends what is queued. */
  flushPending(): void;
  readonly parser: Parser;
  readonly transport: {
    /** Resolves when the socket needs the bytes no more. */
    _send(bytes: Uint8Array): Promise<void>;
  };
}

/** False when nothing was sent: without room around the data, or with another client library. */
export function publishInOnePiece(
  connection: NatsConnection,
  subject: string,
  data: Uint8Array,
): boolean {
  const { protocol } = connection as { protocol?: Partial<Protocol> };
  if (protocol?.flushPending === undefined || protocol.transport === undefined) return false;
  if (protocol.connected !== true || protocol.infoReceived !== true) return false;
  if (typeof protocol.transport._send !== 'function') return false;
  if (data.length > (connection.info?.max_payload ?? 0)) return false;
  const line = Buffer.from(`PUB ${subject} ${data.length}\r\n`);
  const piece = inOnePiece(line, data, LINE_END);
  if (piece === undefined) return false;
  protocol.flushPending();
  protocol.transport._send(piece).then(
    () => {
      reuseRoomy(data);
    },
    // the library hears of a broken socket by itself; the memory is garbage then
    () => undefined,
  );
  return true;
}

/** Gathers large messages of this connection in one piece, until it connects anew. */
export function gatherLarge(connection: NatsConnection): void {
  const { protocol } = connection as { protocol?: Partial<Protocol> };
  const parser = protocol?.parser;
  if (parser === undefined || typeof parser.parse !== 'function') return;
  if (Object.hasOwn(parser, 'parse')) return;
  const parse = parser.parse.bind(parser);
  parser.parse = (bytes) => {
    parse(bytes);
    const { msgBuf, ma } = parser;
    if (msgBuf === undefined || msgBuf instanceof LargeMessage) return;
    const size = ma?.size ?? 0;
    if (size < LARGE_BYTES_MIN || size > LARGE_BYTES_MAX) return;
    parser.msgBuf = new LargeMessage(size, msgBuf.bytes({ copy: false }));
  };
}

/** Gives the memory of a message back; undefined where that is not ours to give. */
export function releaseOf(data: Uint8Array): (() => void) | undefined {
  return lent.get(data.buffer)?.release;
}

/** As the library's own buffer, as far as its parser uses that, for a message whose size is known. */
class LargeMessage implements Gathered {
  readonly #memory: Buffer;
  readonly #size: number;
  #length = 0;

  constructor(size: number, begun: Uint8Array) {
    this.#memory = pool.take(size);
    this.#size = size;
    this.write(begun);
  }

  get length(): number {
    return this.#length;
  }

  write(bytes: Uint8Array): number {
    this.#memory.set(bytes, this.#length);
    this.#length += bytes.length;
    return bytes.length;
  }

  writeByte(byte: number): number {
    return this.write(Uint8Array.of(byte));
  }

  /** The whole message, which is whoever's it is given to. */
  bytes(): Uint8Array {
    lent.set(this.#memory.buffer, new Lease(pool, this.#memory));
    return this.#memory.subarray(0, this.#size);
  }
}
