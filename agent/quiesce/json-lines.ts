/**
 * JSON, one value a line, over the pipes between agent, watchdog and lock holder. Part of the
 * watchdog process: Node's own modules only.
 */
import type { Readable, Writable } from 'node:stream';

/** A line longer than this is not ours. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Calls back for every line until the stream ends, then `onEnd` once. Throws nothing. */
export function readJsonLines(
  stream: Readable,
  onValue: (value: unknown) => void,
  onEnd: () => void,
): void {
  let rest = '';
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    onEnd();
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const value = parse(line);
      if (value !== undefined) onValue(value);
    }
    if (rest.length > LINE_BYTES_MAX) stream.destroy();
  });
  stream.on('end', end);
  stream.on('error', end);
  stream.on('close', end);
}

/** Undefined for what is not JSON: a peer of ours writes nothing else. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Writes one line; a closed pipe is told by the stream's own events, not here. */
export function writeJsonLine(stream: Writable, value: unknown): void {
  if (stream.writable) stream.write(`${JSON.stringify(value)}\n`);
}
