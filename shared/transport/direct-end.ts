/**
 * One end of a direct stream as a transport: messages go to the other end and to nobody else. It
 * outlives its connection, which is given to it when both ends have proven themselves, and again
 * after a break (direct-client.ts, direct-door.ts).
 */
import type { Socket } from 'node:net';
import { AfterimageError, messageOf } from '../errors.js';
import { countStage, Stage } from '../stages.js';
import type { AimedSocket } from './aimed-socket.js';
import { encodePiece, type Piece, PIECE_DATA_BYTES_MAX, PieceReader } from './direct-piece.js';
import { reuseRoomy } from './roomy-buffer.js';
import { subjectMatches } from './subject-match.js';
import type { Subscription, Transport, TransportMessage, TransportStatus } from './transport.js';

export interface DirectEndOptions {
  /** What subjects begin with; not sent, so no name of an agent or set is seen on the way. */
  readonly prefix: string;
  /** Where the other end may publish; anywhere for undefined. */
  readonly hears?: readonly string[];
  /** Where this end may subscribe; anywhere for undefined. */
  readonly subscribes?: readonly string[];
  /** A message came that this end does not take; the connection is over when it is malformed. */
  readonly onBad?: (error: AfterimageError) => void;
}

interface Wish {
  readonly pattern: string;
  readonly handler: (message: TransportMessage) => void;
}

interface Pending {
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: AfterimageError) => void;
}

/** What one end may have written and the other not read: above any credit window. */
const QUEUED_BYTES_MAX = 32 * 1024 * 1024;
/** What a piece costs here however little it holds: without, pongs for one who reads nothing took 700 MB. */
const QUEUED_PIECE_BYTES = 512;
/** Whoever does not close when this end did is waited for so long. */
const CLOSING_MS = 1_000;
/** Pings on their way. */
const FLUSHES_MAX = 1_000;

export class DirectEnd implements Transport {
  readonly payloadBytesMax = PIECE_DATA_BYTES_MAX;
  readonly #options: DirectEndOptions;
  readonly #wishes = new Set<Wish>();
  readonly #statusListeners = new Set<(status: TransportStatus) => void>();
  readonly #requests = new Map<string, Pending>();
  #flushes: Pending[] = [];
  #socket: Socket | undefined;
  /** Of the connection there is: pieces that the system has not taken yet. */
  #queued = { pieces: 0 };
  #closed = false;
  #everConnected = false;
  #asked = 0;
  #whyBroken = '';

  constructor(options: DirectEndOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  /** Why the last connection ended. */
  get whyBroken(): string {
    return this.#whyBroken;
  }

  /** Bytes that the system has not taken yet. */
  get queuedBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (data.length > PIECE_DATA_BYTES_MAX) {
      throw new AfterimageError('internal', `a message of ${data.length} bytes to publish`);
    }
    const start = performance.now();
    this.#send({ kind: 'message', subject, data, ...(reply === undefined ? {} : { reply }) });
    countStage(Stage.publish, start, data.length);
  }

  subscribe(subject: string, handler: (message: TransportMessage) => void): Subscription {
    const { subscribes } = this.#options;
    if (subscribes !== undefined && !subscribes.some((may) => subjectMatches(may, subject))) {
      setImmediate(() => {
        this.#tell({ type: 'permission-violation', subject, operation: 'subscribe' });
      });
      return { unsubscribe: () => undefined };
    }
    const wish = { pattern: subject, handler };
    this.#wishes.add(wish);
    return { unsubscribe: () => void this.#wishes.delete(wish) };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.connected) return Promise.reject(laneAway());
    this.#asked += 1;
    const reply = `_INBOX.${this.#asked}`;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#requests.delete(reply);
      };
      const pending: Pending = {
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        pending.reject(new AfterimageError('timed-out', 'no answer in time'));
      }, timeoutMs);
      this.#requests.set(reply, pending);
      this.publish(subject, data, reply);
    });
  }

  onStatus(listener: (status: TransportStatus) => void): Subscription {
    this.#statusListeners.add(listener);
    return { unsubscribe: () => void this.#statusListeners.delete(listener) };
  }

  flush(): Promise<void> {
    if (!this.connected) return Promise.resolve();
    if (this.#flushes.length >= FLUSHES_MAX) return Promise.reject(laneAway());
    return new Promise((resolve, reject) => {
      this.#flushes.push({
        resolve: () => {
          resolve();
        },
        reject,
      });
      this.#send({ kind: 'ping' });
    });
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      const socket = this.#letGo();
      if (socket !== undefined) endSoon(socket);
      this.#tell({ type: 'closed' });
    }
    return Promise.resolve();
  }

  /** A request that was heard cannot be answered, because nobody listens where it went. */
  sayNobody(reply: string): void {
    this.#send({ kind: 'nobody', reply });
  }

  /** Both ends of this connection have proven themselves. */
  attach(aimed: AimedSocket): void {
    const { socket } = aimed;
    if (this.#closed || this.#socket !== undefined) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    this.#queued = { pieces: 0 };
    const over = (why: string): void => {
      this.detach(why, socket);
    };
    const reader = new PieceReader(this.#options.prefix, {
      piece: (piece) => {
        if (this.#socket === socket) this.#receive(piece);
      },
      broken: (error) => {
        if (error instanceof AfterimageError) this.#options.onBad?.(error);
        over(messageOf(error));
      },
    });
    socket.on('error', (error) => {
      over(error.message);
    });
    socket.on('end', () => {
      over('the other end closed the connection');
    });
    socket.on('close', () => {
      over('the connection is closed');
    });
    const first = !this.#everConnected;
    this.#everConnected = true;
    this.#tell({ type: first ? 'connected' : 'reconnected' });
    aimed.readTo(reader);
    // it says so no more when it was gone before
    if (socket.destroyed) over('the connection is closed');
  }

  /** Ends the connection, or only this one of it, and tells it as a break. */
  detach(why: string, which = this.#socket): void {
    if (this.#socket === undefined || which !== this.#socket) {
      which?.destroy();
      return;
    }
    this.#letGo()?.destroy();
    this.#whyBroken = why;
    this.#tell({ type: 'disconnected' });
  }

  protected get closed(): boolean {
    return this.#closed;
  }

  #letGo(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    for (const pending of [...this.#requests.values(), ...this.#flushes.splice(0)]) {
      pending.reject(laneAway());
    }
    return socket;
  }

  #send(piece: Parameters<typeof encodePiece>[0]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const queued = this.#queued;
    if (socket.writableLength + queued.pieces * QUEUED_PIECE_BYTES > QUEUED_BYTES_MAX) {
      this.detach('the other end reads nothing');
      return;
    }
    queued.pieces += 1;
    socket.write(encodePiece(piece, this.#options.prefix), (error) => {
      queued.pieces -= 1;
      if (error == null && piece.data !== undefined) reuseRoomy(piece.data);
    });
  }

  #receive(piece: Piece): void {
    switch (piece.kind) {
      case 'message':
        this.#onMessage(piece);
        return;
      case 'nobody':
        this.#requests
          .get(piece.reply)
          ?.reject(new AfterimageError('replica-unreachable', 'nobody listens on this subject'));
        return;
      case 'refused':
        this.#tell({
          type: 'permission-violation',
          subject: piece.subject,
          operation: 'publish',
        });
        return;
      case 'ping':
        this.#send({ kind: 'pong' });
        return;
      case 'pong':
        this.#flushes.shift()?.resolve(piece.data);
    }
  }

  #onMessage({ subject, reply, data, release }: Piece): void {
    const pending = this.#requests.get(subject);
    if (pending !== undefined) {
      pending.resolve(data);
      return;
    }
    const { hears, onBad } = this.#options;
    if (hears !== undefined && !hears.some((may) => subjectMatches(may, subject))) {
      onBad?.(new AfterimageError('permission-violation', `nothing is heard on ${subject} here`));
      this.#send({ kind: 'refused', subject });
      return;
    }
    const wishes = [...this.#wishes].filter(({ pattern }) => subjectMatches(pattern, subject));
    // only one handler can know that nobody has a view any more
    const isAlone = wishes.length === 1 && release !== undefined;
    const message = {
      subject,
      data,
      ...(reply === '' ? {} : { reply }),
      ...(isAlone ? { release } : {}),
    };
    for (const { handler } of wishes) handler(message);
    if (wishes.length === 0 && reply !== '') this.sayNobody(reply);
  }

  #tell(status: TransportStatus): void {
    for (const listener of [...this.#statusListeners]) listener(status);
  }
}

/** Lets what was written leave; the other end may be gone, or never close. */
function endSoon(socket: Socket): void {
  const timer = setTimeout(() => {
    socket.destroy();
  }, CLOSING_MS);
  socket.once('close', () => {
    clearTimeout(timer);
  });
  socket.end();
}

function laneAway(): AfterimageError {
  return new AfterimageError('broker-unreachable', 'the direct lane is away');
}
