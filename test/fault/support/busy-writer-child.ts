/**
 * A process that changes a folder as fast as it can, in the ways that defeat who looks at size and
 * time: same-size edits within the same moment, times put back, names exchanged. Arguments are
 * folder, seed and milliseconds; a last burst of hidden edits comes right before it ends, and its
 * last line is the number of its operations.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Seeded } from '../../support/seeded.js';

const NAMES = 120;
const FOLDERS = ['.', 'a', 'a/b', 'c'] as const;
const SMALL_BYTES_MAX = 20_000;
const LARGE_BYTES = 1_500_000;
const LARGE_EVERY = 40;
const LAST_EDITS = 60;

const [folder, seedText, msText] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: busy-writer-child FOLDER SEED MS');
const random = new Seeded(Number(seedText));
const endMs = performance.now() + Number(msText);
for (const name of FOLDERS) fs.mkdirSync(path.join(folder, name), { recursive: true });

const anyPath = (): string => path.join(folder, random.pick(FOLDERS), `f${random.below(NAMES)}`);

/** Another process's look cannot be in the way: what is not there or not so is skipped. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!['ENOENT', 'EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EINVAL'].includes(code))
      throw error;
  }
}

function contentFor(): Buffer {
  const large = random.below(LARGE_EVERY) === 0;
  return random.bytes(large ? LARGE_BYTES : random.below(SMALL_BYTES_MAX));
}

/** Overwrites some bytes in place, keeps the size, and puts the times back. */
function editUnseen(file: string): void {
  const fd = fs.openSync(file, fs.constants.O_RDWR);
  try {
    const { size, mtimeNs } = fs.fstatSync(fd, { bigint: true });
    if (size === 0n) return;
    const bytes = random.bytes(1 + random.below(Math.min(Number(size), 5_000)));
    const at = random.below(Number(size) - bytes.length + 1);
    for (let again = 0; again < 3; again += 1) {
      bytes.fill(random.below(256), 0, 1);
      fs.writeSync(fd, bytes, 0, bytes.length, at);
    }
    // Whole seconds are put back exactly; what had others has whole ones from here on.
    const seconds = Number(mtimeNs / 1_000_000_000n);
    fs.futimesSync(fd, seconds, seconds);
  } finally {
    fs.closeSync(fd);
  }
}

const operations: readonly (() => void)[] = [
  () => {
    fs.writeFileSync(anyPath(), contentFor());
  },
  () => {
    fs.appendFileSync(anyPath(), random.bytes(1 + random.below(3_000)));
  },
  () => {
    editUnseen(anyPath());
  },
  () => {
    editUnseen(anyPath());
  },
  () => {
    fs.renameSync(anyPath(), anyPath());
  },
  () => {
    fs.unlinkSync(anyPath());
  },
  () => {
    fs.truncateSync(anyPath(), random.below(SMALL_BYTES_MAX));
  },
  () => {
    fs.linkSync(anyPath(), anyPath());
  },
  () => {
    fs.chmodSync(anyPath(), random.pick([0o600, 0o640, 0o755]));
  },
  () => {
    const [from, to] = [path.join(folder, 'a', 'b'), path.join(folder, 'c', 'b')];
    if (random.below(20) === 0)
      fs.renameSync(...(random.chance(0.5) ? ([from, to] as const) : ([to, from] as const)));
  },
  () => {
    fs.rmSync(path.join(folder, 'link'), { force: true });
    fs.symlinkSync(`f${random.below(NAMES)}`, path.join(folder, 'link'));
  },
];

let count = 0;
while (performance.now() < endMs) {
  attempt(random.pick(operations));
  count += 1;
}
for (let edit = 0; edit < LAST_EDITS; edit += 1) {
  attempt(() => {
    editUnseen(anyPath());
  });
}
process.stdout.write(`${count + LAST_EDITS}\n`);
