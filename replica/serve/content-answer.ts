/**
 * Sends contents to who asked, from buffers that are used again once the socket has taken them: while
 * one is sent the next is read. Ends early when the client goes away or the server closes.
 */
import type { ServerResponse } from 'node:http';
import { CONTENT_TYPE, type ContentFrame } from '../../shared/api/content.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { FrameSlabs, type Piece, type SlabPool } from './frame-slabs.js';

/** Pieces that the socket has not taken yet. */
const SENDING_MAX = 2;

export interface ContentAnswer {
  readonly pool: SlabPool;
  readonly closing: AbortSignal;
  /** Begins to read, into the room that it is given. */
  readonly read: (room: (length: number) => Buffer) => AsyncIterable<ContentFrame>;
}

/** Frames by the piece. What fails before the first one still gets a status. */
export async function* contentPieces({
  pool,
  closing,
  read,
}: ContentAnswer): AsyncGenerator<Piece> {
  const slabs = new FrameSlabs(pool);
  const slice = new TimeSlice();
  try {
    for await (const frame of read(slabs.room)) {
      if (closing.aborted) return;
      slabs.add(frame);
      const full = slabs.takeFull();
      if (full.length === 0) continue;
      yield* full;
      await slice.breathe();
    }
    slabs.end();
    yield* slabs.takeFull();
  } finally {
    slabs.drop();
  }
}

/**
 * Writes the head and all pieces. Resolves when the socket has taken the last one, or the client is
 * gone; rejects with what reading failed with, the answer broken off.
 */
export async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<Piece>,
  { pool, closing }: ContentAnswer,
): Promise<void> {
  const sender = new PieceSender(response, pool);
  response.writeHead(200, { 'content-type': CONTENT_TYPE });
  try {
    for await (const piece of pieces) {
      sender.send(piece);
      await sender.until(SENDING_MAX - 1);
      if (sender.isGone) return;
    }
    if (closing.aborted) response.destroy();
    else response.end();
    await sender.until(0);
  } catch (error) {
    response.destroy();
    throw error;
  }
}

class PieceSender {
  readonly #response: ServerResponse;
  readonly #pool: SlabPool;
  #sending = 0;
  #wake: () => void = () => undefined;

  constructor(response: ServerResponse, pool: SlabPool) {
    this.#response = response;
    this.#pool = pool;
    response.once('close', () => {
      this.#wake();
    });
  }

  /** True when nobody takes the answer any more. */
  get isGone(): boolean {
    return this.#response.closed || this.#response.destroyed;
  }

  send({ slab, bytes }: Piece): void {
    this.#sending += 1;
    this.#response.write(bytes, (error) => {
      // What was on its way when the connection broke may still be read from: it is not used again.
      if (error == null) this.#pool.give(slab);
      this.#sending -= 1;
      this.#wake();
    });
  }

  async until(sending: number): Promise<void> {
    while (this.#sending > sending && !this.isGone) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
