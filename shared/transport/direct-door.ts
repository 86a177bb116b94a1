/**
 * Where the replica takes direct streams: a TCP port at which a connection must prove within a moment
 * that it holds the secret of a session, before it costs more than a few bytes.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { AfterimageError, asAfterimageError } from '../errors.js';
import { AimedSocket } from './aimed-socket.js';
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
  /** A connection was refused, ended for what it sent, or could not be taken. */
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
      {
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        pauseOnConnect: true,
      },
      (accepted) => {
        this.#enter(AimedSocket.accepted(accepted));
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
      this.#server.listen({ host, port }, () => {
        // the system could not take a connection, for want of descriptors or memory
        this.#server.on('error', (error) => {
          this.#options.onRefused(asAfterimageError(error), '');
        });
        resolve();
      });
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

  #enter(aimed: AimedSocket): void {
    const { socket } = aimed;
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
    const guarded = (work: (bytes: Buffer) => void) => (bytes: Buffer) => {
      try {
        if (!admitted) work(bytes);
      } catch (error) {
        turnAway(error);
      }
    };
    aimed.expect(
      OPENING_BYTES,
      guarded((opening) => {
        const opened = this.#answer(socket, opening);
        aimed.expect(
          CLOSING_BYTES,
          guarded((closing) => {
            checkClosing(opened.admission.key, { ...opened, closing });
            admitted = true;
            leave();
            this.#welcome(aimed, { ...opened, from });
          }),
        );
      }),
    );
  }

  /** Throws `frame-malformed` or `session-stale`. */
  #answer(socket: Socket, opening: Buffer): Opened {
    const session = sessionOfOpening(opening);
    const admission = this.#options.admit(session);
    if (admission === undefined) {
      throw new AfterimageError('session-stale', 'no session is known by the name that was shown');
    }
    const answer = answerOpening(admission.key, opening);
    socket.write(answer);
    return { session, admission, opening, answer };
  }

  #welcome(aimed: AimedSocket, proven: Opened & { readonly from: string }): void {
    const { session, admission, from } = proven;
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
    end.attach(aimed);
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
