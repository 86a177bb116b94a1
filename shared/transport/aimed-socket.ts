/**
 * A socket that reads to where its reader wants the bytes, so that a frame of many reads lies in one
 * piece when its last byte came. Node does so with `onread`, for sockets that somebody makes; one that
 * a server has accepted is made again around its handle. Where Node does not let us, bytes are copied.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Takes bytes where it wants them. Neither call may throw. */
export interface ByteSink {
  /** Where the next bytes go; at least one, and the same until `filled`. */
  room(): Buffer;
  /** So many bytes lie at the beginning of `room`. */
  filled(count: number): void;
}

/** Between two readers, while the socket is paused: what comes late is handed to the next. */
const SPARE_BYTES = 512;

export class AimedSocket {
  readonly socket: Socket;
  #sink: ByteSink | undefined;
  /** Where the system was told to write, and for whom. */
  #aim: { readonly sink: ByteSink | undefined; readonly room: Buffer };
  readonly #spare = Buffer.alloc(SPARE_BYTES);
  /** What came while nobody read. */
  #early: Buffer | undefined;

  private constructor(make: (onread: OnReadOpts) => Socket) {
    this.#aim = { sink: undefined, room: this.#spare };
    this.socket = make({
      buffer: (): Buffer => this.#aimAnew(),
      callback: (count, bytes) => {
        this.#onRead(count, bytes);
        return !this.socket.isPaused();
      },
    });
  }

  /** One that is about to connect: `make` hands the options to `net.connect`. */
  static connecting(make: (onread: OnReadOpts) => Socket): AimedSocket {
    return new AimedSocket(make);
  }

  /** One that a server with `pauseOnConnect` accepted, which is not to be used any more; paused. */
  static accepted(accepted: Socket): AimedSocket {
    const handle = detachHandle(accepted);
    if (handle !== undefined) {
      const aimed = new AimedSocket((onread) => {
        const options: HandleOpts = { onread, handle, pauseOnCreate: true };
        return new Socket(options);
      });
      aimed.socket.pause();
      accepted.destroy();
      return aimed;
    }
    const aimed = new AimedSocket(() => accepted);
    accepted.on('data', (chunk: Buffer) => {
      aimed.#push(chunk);
    });
    accepted.pause();
    return aimed;
  }

  /** What comes from now on is for this sink; the socket reads. */
  readTo(sink: ByteSink): void {
    this.#sink = sink;
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) this.#push(early);
    if (this.#sink === sink) this.socket.resume();
  }

  /** Exactly so many bytes are read and no more; then the socket is paused until the next reader. */
  expect(length: number, then: (bytes: Buffer) => void): void {
    const bytes = Buffer.alloc(length);
    let have = 0;
    const sink: ByteSink = {
      room: () => bytes.subarray(have),
      filled: (count) => {
        have += count;
        if (have < length) return;
        this.#sink = undefined;
        this.socket.pause();
        then(bytes);
      },
    };
    this.readTo(sink);
  }

  #aimAnew(): Buffer {
    const sink = this.#sink;
    this.#aim = { sink, room: sink?.room() ?? this.#spare };
    return this.#aim.room;
  }

  #onRead(count: number, bytes: Uint8Array): void {
    const { sink, room } = this.#aim;
    if (sink !== undefined && sink === this.#sink && room === bytes) sink.filled(count);
    else this.#push(Buffer.from(bytes.buffer, bytes.byteOffset, count));
  }

  /** Bytes that lie elsewhere: read before the sink came, or in Node's own buffers. */
  #push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const sink = this.#sink;
      if (sink === undefined) {
        this.#early = Buffer.from(bytes.subarray(at));
        return;
      }
      const count = bytes.copy(sink.room(), 0, at);
      at += count;
      sink.filled(count);
    }
  }
}

/** Options of a socket that Node's own servers use and its types do not tell. */
interface HandleOpts extends SocketConstructorOpts {
  readonly onread: OnReadOpts;
  readonly handle: object;
  readonly pauseOnCreate: boolean;
}

/** Undefined where Node keeps it elsewhere, or cannot read with it to a place of ours. */
function detachHandle(accepted: Socket): object | undefined {
  const holder = accepted as unknown as { _handle?: { useUserBuffer?: unknown } | null };
  const handle = holder._handle;
  if (handle == null || typeof handle.useUserBuffer !== 'function') return undefined;
  holder._handle = null;
  return handle;
}
