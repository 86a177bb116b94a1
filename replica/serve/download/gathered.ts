/** Joins small pieces of an answer, so that a million small files are not as many writes. */
import { TimeSlice } from '../../../shared/time-slice.js';

const GATHER_BYTES = 256 * 1024;

/** The first piece goes out alone: whoever waits sees that it begins. Gives way to other work. */
export async function* gathered(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const slice = new TimeSlice();
  let waiting: Buffer[] = [];
  let bytes = 0;
  let isFirst = true;
  for await (const piece of pieces) {
    if (piece.length === 0) continue;
    waiting.push(piece);
    bytes += piece.length;
    await slice.breathe();
    if (bytes < GATHER_BYTES && !isFirst) continue;
    isFirst = false;
    yield joined(waiting);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield joined(waiting);
}

function joined(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
}
