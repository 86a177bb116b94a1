/**
 * The sample that `npm start` protects: a text tree, a folder of binaries, and a SQLite database
 * that another process writes to all the time.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { errnoOf } from '../../shared/errors.js';

const CHAPTERS = 12;
const PAGES = 20;
const BINARIES = 6;
const BINARY_BYTES = 1024 * 1024;

export const LEDGER_FILE = path.join('database', 'ledger.db');

/** Writes the sample into an empty folder. */
export function makeSample(folder: string): void {
  for (let chapter = 1; chapter <= CHAPTERS; chapter += 1) {
    const at = path.join(folder, 'text', `chapter-${String(chapter).padStart(2, '0')}`);
    fs.mkdirSync(at, { recursive: true });
    for (let page = 1; page <= PAGES; page += 1) {
      fs.writeFileSync(
        path.join(at, `page-${String(page).padStart(2, '0')}.txt`),
        prose({ chapter, page }),
      );
    }
  }
  fs.mkdirSync(path.join(folder, 'binaries'), { recursive: true });
  for (let n = 1; n <= BINARIES; n += 1) {
    fs.writeFileSync(
      path.join(folder, 'binaries', `image-${n}.bin`),
      noise(`image ${n}`, BINARY_BYTES),
    );
  }
  fs.symlinkSync('chapter-01/page-01.txt', path.join(folder, 'text', 'first-page'));
  fs.mkdirSync(path.join(folder, 'text', 'empty'));
  fs.mkdirSync(path.join(folder, 'database'));
}

/** The kinds of change a day brings: edits, appended and inserted bytes, new, removed, renamed and moved files. */
export function changeSample(folder: string): readonly string[] {
  const at = (...parts: string[]): string => path.join(folder, ...parts);
  fs.appendFileSync(at('text', 'chapter-01', 'page-01.txt'), 'A line that was not there before.\n');
  fs.writeFileSync(at('text', 'chapter-02', 'page-21.txt'), prose({ chapter: 2, page: 21 }));
  fs.rmSync(at('text', 'chapter-03'), { recursive: true });
  fs.renameSync(at('text', 'chapter-04'), at('text', 'chapter-04-revised'));
  fs.chmodSync(at('text', 'chapter-05', 'page-01.txt'), 0o600);
  const binary = at('binaries', 'image-1.bin');
  const fd = fs.openSync(binary, 'r+');
  fs.writeSync(fd, noise('patch', 4096), 0, 4096, 300 * 1024);
  fs.closeSync(fd);
  const shifted = at('binaries', 'image-2.bin');
  fs.writeFileSync(
    shifted,
    Buffer.concat([Buffer.from('inserted in front'), fs.readFileSync(shifted)]),
  );
  return [
    'text/chapter-01/page-01.txt   a line appended',
    'text/chapter-02/page-21.txt   new',
    'text/chapter-03               removed',
    'text/chapter-04               renamed to chapter-04-revised',
    'text/chapter-05/page-01.txt   mode 0600',
    'binaries/image-1.bin          one page overwritten',
    'binaries/image-2.bin          17 bytes inserted in front',
  ];
}

export interface TreeDigest {
  readonly digest: string;
  /** What could not be read and does not count, by path below the folder. */
  readonly unreadable: ReadonlySet<string>;
  /** Folders that count but whose entries could not be read. */
  readonly closed: ReadonlySet<string>;
}

/**
 * A digest of names, kinds, modes, times and contents below a folder, leaving out paths for which
 * `skip` holds. Computed here from the files alone, apart from the product, to compare with.
 */
export function treeDigest(folder: string, skip: (relative: string) => boolean): TreeDigest {
  const hash = createHash('sha256');
  const unreadable = new Set<string>();
  const closed = new Set<string>();
  const walk = (relative: string): void => {
    const file = path.join(folder, relative);
    const status = ifAllowed(() => fs.lstatSync(file, { bigint: true }));
    const content = status?.isFile() === true ? ifAllowed(() => fs.readFileSync(file)) : undefined;
    if (status === undefined || (status.isFile() && content === undefined)) {
      unreadable.add(relative);
      return;
    }
    hash.update(`${relative}\0${status.mode}\0${status.isDirectory() ? 0n : status.mtimeNs}\0`);
    if (content !== undefined) hash.update(content);
    else if (status.isSymbolicLink()) hash.update(fs.readlinkSync(file));
    else if (status.isDirectory()) {
      const names = ifAllowed(() => fs.readdirSync(file).sort());
      if (names === undefined) closed.add(relative);
      for (const name of names ?? []) {
        const below = relative === '' ? name : `${relative}/${name}`;
        if (!skip(below)) walk(below);
      }
    }
  };
  walk('');
  return { digest: hash.digest('hex'), unreadable, closed };
}

/** Undefined when this user may not. */
function ifAllowed<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EACCES' || errno === 'EPERM') return undefined;
    throw error;
  }
}

const words =
  'journal block page frame base point hold index agent replica broker seal spool stage apply park place read write keep'.split(
    ' ',
  );

function prose(at: { chapter: number; page: number }): string {
  let state = at.chapter * 1000 + at.page;
  const lines: string[] = [];
  for (let line = 0; line < 60; line += 1) {
    const parts: string[] = [];
    for (let word = 0; word < 12; word += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      parts.push(words[(state >>> 16) % words.length] ?? 'word');
    }
    lines.push(parts.join(' '));
  }
  return `Chapter ${at.chapter}, page ${at.page}\n\n${lines.join('\n')}\n`;
}

/** Bytes that do not compress, the same for the same seed. */
function noise(seed: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let n = 0; n * 32 < length; n += 1) {
    parts.push(createHash('sha256').update(`${seed} ${n}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}
