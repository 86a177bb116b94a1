/**
 * Keeps names from commanding the terminal: whoever may write to a protected folder, or ask the
 * replica for a path that is refused, chooses text that an operator's terminal prints. Path text has no
 * control characters of ASCII; those of Latin-1 (U+009B begins a command, too), and those that turn the
 * direction of reading so that a name looks like another, are shown here as `\xHH`, as which they may be
 * typed. Messages of the system carry names as they are. JSON and contents of files pass as they are.
 */
import type { Io } from './io.js';

const commands =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text whose only control characters are tab and line feed. */
export function plainText(text: string): string {
  return text.replace(commands, (char) =>
    [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}

/** The same world, with plain text on both ways out of it; bytes stay what they are. */
export function plainIo(io: Io): Io {
  return {
    env: io.env,
    folder: io.folder,
    errIsTerminal: io.errIsTerminal,
    columns: io.columns,
    signal: io.signal,
    get outClosed() {
      return io.outClosed;
    },
    out: (text) => io.out(typeof text === 'string' ? plainText(text) : text),
    err: (text) => {
      io.err(plainText(text));
    },
  };
}
