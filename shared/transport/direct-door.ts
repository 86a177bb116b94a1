/**
 * Where the replica takes direct streams: a TCP port at which a connection must prove within a moment
 * that it holds the secret of a session, before it costs more than a few bytes.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { AfterimageError, asAfterimageError } from '../errors.js';
import { DirectEnd, type DirectEndOptions } from './direct-end.js';
import {
  answerOpening,
  checkClosing,
  CLOSING_BYTES,
  OPENING_BYTES,
  sessionOfOpening,
} from './direct-proof.js';

/** What a session that somebody names lets him do. */
export interface Admission extends DirectEndOptions {
  /** The session's secret for streams. */
  readonly key: Buffer;
}

export interface DirectDoorOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Undefined for a session that is not known. */
  readonly admit: (session: string) => Admission | undefined;
  /** A stream stands; nothing was read from it yet. */
  readonly onStream: (session: string, end: DirectEnd, from: string) => void;
  /** A connection was refused, or ended for what it sent. */
  readonly onRefused: (error: AfterimageError, from: string) => void;
  readonly proofMs?: number;
  /** Connections that have not proven anything; beyond it the oldest goes. */
  readonly unprovenMax?: number;
}

export interface DirectDoor {
  readonly port: number;
  /** The stream that was proven under this session and stands. */
  stream(session: string): DirectEnd | undefined;
  readonly streams: number;
  readonly unproven: number;
  close(): Promise<void>;
}

const PROOF_MS = 3_000;
const UNPROVEN_MAX = 64;
const KEEP_ALIVE_MS = 15_000;

/** Rejects with the system's error when the address cannot be had. */
export async function openDirectDoor(options: DirectDoorOptions): Promise<DirectDoor> {
  const door = new Door(options);
  await door.listen();
  return door;
}

class Door implements DirectDoor {
  readonly #options: DirectDoorOptions;
  readonly #server: Server;
  readonly #unproven = new Set<Socket>();
  readonly #streams = new Map<string, DirectEnd>();

  constructor(options: DirectDoorOptions) {
    this.#options = options;
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (socket) => {
        this.#enter(socket);
      },
    );
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }
  get streams(): number {
    return this.#streams.size;
  }
  get unproven(): number {
    return this.#unproven.size;
  }

  stream(session: string): DirectEnd | undefined {
    return this.#streams.get(session);
  }

  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, resolve);
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    for (const socket of this.#unproven) socket.destroy();
    for (const end of this.#streams.values()) end.detach('the replica stops');
    await closed;
  }

  #enter(socket: Socket): void {
    const from = socket.remoteAddress ?? '';
    this.#unproven.add(socket);
    if (this.#unproven.size > (this.#options.unprovenMax ?? UNPROVEN_MAX)) {
      const [oldest] = this.#unproven;
      oldest?.destroy(refused('too many connections prove nothing'));
    }
    const timer = setTimeout(() => {
      socket.destroy(refused('a connection proved nothing in time'));
    }, this.#options.proofMs ?? PROOF_MS);
    const leave = (): void => {
      clearTimeout(timer);
      this.#unproven.delete(socket);
    };
    let admitted = false;
    const turnAway = (error: unknown): void => {
      if (admitted) return;
      admitted = true;
      leave();
      socket.destroy();
      this.#options.onRefused(asAfterimageError(error), from);
    };
    socket.on('error', turnAway);
    socket.on('close', () => {
      turnAway(refused('a connection was closed before its proof'));
    });
    const proof = new Proof(this.#options.admit, (bytes) => socket.write(bytes));
    const take = (chunk: Buffer): void => {
      try {
        const proven = proof.take(chunk);
        if (proven === undefined || admitted) return;
        admitted = true;
        leave();
        socket.pause();
        socket.off('data', take);
        this.#welcome(socket, { ...proven, from });
      } catch (error) {
        turnAway(error);
      }
    };
    socket.on('data', take);
  }

  #welcome(socket: Socket, proven: Proven & { readonly from: string }): void {
    const { session, admission, leftover, from } = proven;
    this.#streams.get(session)?.detach('another stream took its place');
    const end = new DirectEnd({
      ...admission,
      onBad: (error) => {
        this.#options.onRefused(error, from);
      },
    });
    this.#streams.set(session, end);
    end.onStatus(({ type }) => {
      if (type === 'connected' || type === 'reconnected') return;
      if (this.#streams.get(session) === end) this.#streams.delete(session);
    });
    this.#options.onStream(session, end, from);
    end.attach(socket, leftover);
  }
}

interface Proven {
  readonly session: string;
  readonly admission: Admission;
  /** What came behind the proof. */
  readonly leftover: Buffer;
}

/** The replica's side of the proof for one connection; reads no more than it waits for. */
class Proof {
  readonly #admit: DirectDoorOptions['admit'];
  readonly #write: (bytes: Buffer) => void;
  #read: Buffer = Buffer.alloc(0);
  #opened: Opened | undefined;

  constructor(admit: DirectDoorOptions['admit'], write: (bytes: Buffer) => void) {
    this.#admit = admit;
    this.#write = write;
  }

  /** Throws `frame-malformed`, `frame-forged` or `session-stale`. */
  take(chunk: Buffer): Proven | undefined {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    if (this.#opened === undefined) {
      if (this.#read.length < OPENING_BYTES) return undefined;
      this.#opened = this.#open(this.#read);
      this.#read = Buffer.alloc(0);
      return undefined;
    }
    if (this.#read.length < CLOSING_BYTES) return undefined;
    const { session, admission } = this.#opened;
    checkClosing(admission.key, {
      ...this.#opened,
      closing: this.#read.subarray(0, CLOSING_BYTES),
    });
    return { session, admission, leftover: this.#read.subarray(CLOSING_BYTES) };
  }

  #open(opening: Buffer): Opened {
    const session = sessionOfOpening(opening);
    const admission = this.#admit(session);
    if (admission === undefined) {
      throw new AfterimageError('session-stale', 'no session is known by the name that was shown');
    }
    const answer = answerOpening(admission.key, opening);
    this.#write(answer);
    return { session, admission, opening, answer };
  }
}

interface Opened {
  readonly session: string;
  readonly admission: Admission;
  readonly opening: Buffer;
  readonly answer: Buffer;
}

function refused(message: string): AfterimageError {
  return new AfterimageError('timed-out', message);
}
