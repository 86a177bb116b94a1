/** The world of one run of the command line, so that tests can give it another. */
import { errnoOf } from '../shared/errors.js';

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** Standard output; resolves when more may be written. */
  out(text: string | Uint8Array): Promise<void>;
  /** True when nobody reads standard output any more (`| head`): what is left need not be printed. */
  readonly outClosed: boolean;
  /** Standard error. */
  err(text: string): void;
  /** Progress bars are drawn only there. */
  readonly errIsTerminal: boolean;
  /** Columns of the terminal, or what tables may take without one. */
  readonly columns: number;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

const COLUMNS_DEFAULT = 120;

/** The real one. A second Ctrl-C ends the process at once. */
export function processIo(): Io {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  let outClosed = false;
  process.stdout.on('error', (error) => {
    if (errnoOf(error) !== 'EPIPE') throw error;
    outClosed = true;
    abort();
  });
  return {
    env: process.env,
    folder: process.cwd(),
    out: (text) => (outClosed ? Promise.resolve() : writeOut(text)),
    get outClosed() {
      return outClosed;
    },
    err: (text) => {
      process.stderr.write(text);
    },
    errIsTerminal: process.stderr.isTTY,
    columns: process.stdout.isTTY ? process.stdout.columns : COLUMNS_DEFAULT,
    signal: controller.signal,
  };
}

/** A failure comes as the stream's error event, too, and is dealt with there. */
function writeOut(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => {
      resolve();
    });
  });
}
