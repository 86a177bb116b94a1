/**
 * Answers that are streams. They are made as fast as the client takes them, give way to other
 * requests, and end early when the client goes away or the server closes.
 */
import { Readable } from 'node:stream';
import { toProblem } from '../../shared/api/problem.js';
import { asAfterimageError } from '../../shared/errors.js';
import type { EndLine, ProblemLine } from '../../shared/api/stream.js';
import type { Log } from '../../shared/log.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { PointView } from '../history/set-reader.js';

const CHUNK_BYTES = 256 * 1024;
/** Lines that come slowly are progress, for somebody who waits: they are not collected for longer. */
const COLLECT_MS = 200;

/**
 * A stream over an open point: the view is closed with the stream, also when the client goes away
 * before the first byte, or at once when `make` throws.
 */
export function closeWith(
  { view, log }: { readonly view: PointView; readonly log: Log },
  make: () => Readable,
): Readable {
  try {
    return make()
      .once('error', (error) => {
        log.error('an answer broke off', error, { set: view.set, point: view.point });
      })
      .once('close', () => {
        view.close();
      });
  } catch (error) {
    view.close();
    throw error;
  }
}

/** Lines of JSON, closed by an `end` line, or by a `problem` line when `lines` throws. */
export function lineStream(
  lines: Iterable<object> | AsyncIterable<object>,
  of: StreamContext,
): Readable {
  return Readable.from(joinLines(lines, of), { objectMode: false });
}

interface StreamContext {
  /** Ends the stream. */
  readonly closing: AbortSignal;
  readonly log: Log;
}

async function* joinLines(
  lines: Iterable<object> | AsyncIterable<object>,
  { closing, log }: StreamContext,
): AsyncGenerator<Buffer> {
  const slice = new TimeSlice();
  let text = '';
  let count = 0;
  let sentMs = -Infinity;
  try {
    for await (const line of lines) {
      if (closing.aborted) return;
      text += `${JSON.stringify(line)}\n`;
      count += 1;
      if (text.length < CHUNK_BYTES && performance.now() - sentMs < COLLECT_MS) continue;
      yield Buffer.from(text);
      text = '';
      sentMs = performance.now();
      await slice.breathe();
    }
    text += `${JSON.stringify({ type: 'end', lines: count } satisfies EndLine)}\n`;
  } catch (cause) {
    const error = asAfterimageError(cause);
    if (error.kind === 'bug') log.error('an answer failed', error);
    text += `${JSON.stringify({ type: 'problem', problem: toProblem(error) } satisfies ProblemLine)}\n`;
  }
  yield Buffer.from(text);
}
