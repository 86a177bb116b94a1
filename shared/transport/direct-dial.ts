/**
 * Opens one direct stream: to every address at once, the first that proves to be the replica wins.
 */
import { connect, type Socket } from 'node:net';
import { AfterimageError, asAfterimageError } from '../errors.js';
import { AimedSocket } from './aimed-socket.js';
import { ANSWER_BYTES, closeProof, newOpening } from './direct-proof.js';

/** Where the replica may be reached, and what proves it to be the one of this session. */
export interface DirectOffer {
  /** The session, 16 hex digits. */
  readonly session: string;
  /** The session's secret for streams. */
  readonly key: Buffer;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
}

export interface Dialled {
  readonly aimed: AimedSocket;
  readonly host: string;
  readonly port: number;
}

const KEEP_ALIVE_MS = 15_000;

/**
 * Throws `replica-unreachable`, `timed-out` or `frame-forged`, that of the first address. The stream is
 * paused: nothing that comes behind the proof is lost.
 */
export async function dialDirect(offer: DirectOffer, timeoutMs: number): Promise<Dialled> {
  const race = { won: false };
  const sockets: Socket[] = [];
  const dials = offer.addresses.map(async ({ host, port }) => {
    const aimed = AimedSocket.connecting((onread) =>
      connect({
        host,
        port,
        onread,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      }),
    );
    sockets.push(aimed.socket);
    await prove(aimed, offer, race);
    return { aimed, host, port };
  });
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy(timedOut(timeoutMs));
  }, timeoutMs);
  try {
    const winner = await Promise.any(dials);
    for (const socket of sockets) if (socket !== winner.aimed.socket) socket.destroy();
    return winner;
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    throw first instanceof AfterimageError ? first : unreachable(first);
  } finally {
    clearTimeout(timer);
  }
}

/** Only the first to prove itself gets our proof: the replica sees one stream however many were dialled. */
function prove(aimed: AimedSocket, offer: DirectOffer, race: { won: boolean }): Promise<void> {
  const { socket } = aimed;
  const opening = newOpening(offer.session);
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => {
      reject(unreachable('the connection was closed'));
    });
    socket.once('connect', () => {
      socket.write(opening);
      aimed.expect(ANSWER_BYTES, (answer) => {
        try {
          if (race.won) throw unreachable('another address was faster');
          const closing = closeProof(offer.key, opening, answer);
          race.won = true;
          socket.write(closing);
          resolve();
        } catch (error) {
          socket.destroy();
          reject(asAfterimageError(error));
        }
      });
    });
  });
}

function timedOut(timeoutMs: number): AfterimageError {
  return new AfterimageError('timed-out', `no direct connection within ${timeoutMs} ms`);
}

function unreachable(cause: unknown): AfterimageError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AfterimageError('replica-unreachable', why, { cause });
}
