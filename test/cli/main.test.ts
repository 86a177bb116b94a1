import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExitCode } from '../../shared/errors.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { removeFolder } from '../replica/support/disk-tree.js';
import { TestReplica, TOKEN } from './support/served-memory.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const built = existsSync(main);
if (!built) console.log('skipped: the command line is not built (npm run build)');

let replica: TestReplica;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-main-'));
  replica = new TestReplica();
  replica.set.cut((tree) => {
    tree.folder('app');
    const content = Buffer.alloc(BLOCK_BYTES, 7);
    for (let index = 0; index < 5000; index += 1) tree.file(`app/${index}`, content);
  });
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
  removeFolder(loadPosix(), folder);
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly err: string;
}

function start(argv: readonly string[]): {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<Ended>;
} {
  const child = spawn(process.execPath, [main, ...argv], {
    env: { ...process.env, AFTERIMAGE_URL: replica.url, AFTERIMAGE_TOKEN: TOKEN },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, err };
  });
  return { child, ended };
}

describe.skipIf(!built)('the command', () => {
  it('a reader that goes away (| head): ends it quietly', async () => {
    const { child, ended } = start(['ls', 'shop@1', 'app', '--json']);
    if (child.stdout === null) throw new Error('no standard output');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await ended).toEqual({ code: ExitCode.ok, signal: null, err: '' });
  });

  it('SIGINT in the middle of a restore: ends it cleanly, and says so', async () => {
    let reads = 0;
    const { child, ended } = start(['restore', 'shop@1', '--to', join(folder, 'target')]);
    replica.set.onRead = () => {
      reads += 1;
      if (reads === 1000) child.kill('SIGINT');
    };
    const { code, signal, err } = await ended;
    expect({ code, signal }).toEqual({ code: ExitCode.unavailable, signal: null });
    expect(err).toMatch(/the work was cancelled/);
    expect(reads).toBeGreaterThanOrEqual(1000);
  });

  it('a usage error: exits with 2', async () => {
    const { child, ended } = start(['restore']);
    child.stdout?.resume();
    expect(await ended).toMatchObject({ code: ExitCode.usage });
  });
});
