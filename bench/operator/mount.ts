/** A point of a very large set as a folder: how soon it is there, is read, and is searched through. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AfterimageError } from '../../shared/errors.js';
import { CONTENT_PATH } from './build-set.js';

/** Milliseconds, and MB/s; one value a round, none where nothing can be mounted. */
export interface MountTimes {
  readonly mount: number[];
  readonly read: number[];
  readonly find: number[];
}

const mainFile = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const FOUND = 100_000;
const READ_BYTES = 1024 * 1024;

/** Leaves the times as they are, and says why, where nothing can be mounted. */
export function measureMount(
  of: {
    readonly url: string;
    readonly token: string;
    readonly files: number;
    readonly home: string;
    readonly say: (text: string) => void;
  },
  times: MountTimes,
): Promise<void> {
  const folder = join(of.home, 'mounted');
  const env = { ...process.env, AFTERIMAGE_URL: of.url, AFTERIMAGE_TOKEN: of.token };
  const verb = (args: readonly string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [mainFile, ...args], { env, encoding: 'utf8' });
  const startMs = performance.now();
  const mounted = verb(['mount', 'wide@latest', folder]);
  const mountMs = performance.now() - startMs;
  if (mounted.status !== 0 || !existsSync(join(folder, 'srv'))) {
    of.say(`mount: left out: ${String(mounted.stderr).trim().split('\n')[0] ?? ''}\n`);
    return Promise.resolve();
  }
  try {
    times.mount.push(mountMs);
    times.read.push(readSpeed(join(folder, CONTENT_PATH)));
    times.find.push(findTime(join(folder, 'srv'), Math.min(FOUND, of.files)));
  } finally {
    const ended = verb(['unmount', folder]);
    if (ended.status !== 0) of.say(`unmount: ${String(ended.stderr)}\n`);
  }
  return Promise.resolve();
}

/** MB/s of one program that reads all of a file once, never read before. */
function readSpeed(path: string): number {
  const bytes = Buffer.alloc(READ_BYTES);
  const file = openSync(path, 'r');
  const startMs = performance.now();
  let total = 0;
  for (let got = -1; got !== 0; total += got) got = readSync(file, bytes, 0, READ_BYTES, null);
  const ms = performance.now() - startMs;
  closeSync(file);
  return total / 1000 / ms;
}

/** Milliseconds of `find` over folders that hold so many files. */
function findTime(root: string, files: number): number {
  const folders = readdirSync(root)
    .filter((name) => name.startsWith('folder-'))
    .slice(0, Math.ceil(files / 1000))
    .map((name) => join(root, name));
  const startMs = performance.now();
  const out = execFileSync('find', [...folders, '-type', 'f', '-newermt', '1999-01-01'], {
    maxBuffer: 1024 ** 3,
  });
  const ms = performance.now() - startMs;
  const lines = out.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
  if (lines >= files * 0.99) return ms;
  throw new AfterimageError('mismatch', `find came upon ${lines} of ${files} files`);
}
