/** What reaches the terminal of an operator: no names that command it, and no work cut off that passes for done. */
import { describe, expect, test } from 'vitest';
import { type Io } from '../../cli/io.js';
import { plainText } from '../../cli/plain-io.js';
import { runCommandLine } from '../../cli/program.js';
import { ExitCode } from '../../shared/errors.js';
import { parsePathText } from '../../shared/path-text.js';

const CSI = '\u009b';

function world(more: Partial<Io>): { readonly io: Io; readonly said: string[] } {
  const said: string[] = [];
  const io: Io = {
    env: { AFTERIMAGE_URL: 'http://127.0.0.1:9', AFTERIMAGE_TOKEN: 'x' },
    folder: '/',
    out: (text) => {
      said.push(String(text));
      return Promise.resolve();
    },
    outClosed: false,
    err: (text) => {
      said.push(text);
    },
    errIsTerminal: false,
    columns: 80,
    signal: AbortSignal.abort(),
    ...more,
  };
  return { io, said };
}

describe('plain output', () => {
  test('text: commands of terminals and turns of direction are shown as bytes, all else as it is', () => {
    expect(plainText(`a${CSI}31m\u001b]0;x\u0007b`)).toBe('a\\xc2\\x9b31m\\x1b]0;x\\x07b');
    expect(plainText('gpj.\u202eexe')).toBe('gpj.\\xe2\\x80\\xaeexe');
    expect(plainText('naïve שלום\tline\n')).toBe('naïve שלום\tline\n');
  });

  test('text: what is shown of a name can be typed to name it', () => {
    const name = `app/${CSI}31m`;
    expect(parsePathText(plainText(name))).toEqual(Buffer.from(name));
  });

  test('errors: a message that carries a hostile name does not command the terminal', async () => {
    const { io, said } = world({});
    expect(await runCommandLine(['ls', `${CSI}2J\u001b[31m`], io)).toBe(ExitCode.usage);
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(said.join('')).not.toMatch(/[\u001b\u009b]/);
    expect(said.join('')).toContain('\\xc2\\x9b2J');
  });

  test.each(['restore shop@1 --to /nowhere', 'verify shop', 'sync shop'])(
    'closed output: %s that nobody reads is cut off, and not done',
    async (line) => {
      const { io } = world({ outClosed: true });
      expect(await runCommandLine(line.split(' '), io)).toBe(ExitCode.unavailable);
    },
  );

  test('closed output: of a list, whoever stopped reading had enough', async () => {
    const { io } = world({ outClosed: true });
    expect(await runCommandLine(['points', 'shop'], io)).toBe(ExitCode.ok);
  });
});
