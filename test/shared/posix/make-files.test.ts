/** One contract, both versions: small files made many in a call (R23: below a descriptor, through no link). */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadPosix, whyNotNative } from '../../../shared/posix/load-posix.js';
import type { NewFile } from '../../../shared/posix/make-files.js';
import { createPortablePosix } from '../../../shared/posix/portable-posix.js';
import type { Posix } from '../../../shared/posix/posix.js';

const loaded = loadPosix();
if (!loaded.native) console.log(`skipped: native makeFiles: ${whyNotNative() ?? 'unknown'}`);
const versions: [string, Posix][] = [['portable', createPortablePosix()]];
if (loaded.native) versions.push(['native', loaded]);

let root: string;
let folder: number;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-make-files-'));
  folder = openSync(root, 'r');
});

afterEach(() => {
  closeSync(folder);
  rmSync(root, { recursive: true, force: true });
});

function fileOf(name: string, part: Partial<NewFile> = {}): NewFile {
  const usual = { mode: 0o640, owner: undefined, mtimeNs: 1_500_000_000_123_456_000n };
  return { name: Buffer.from(name, 'latin1'), ...usual, offset: 0, length: 5, ...part };
}

describe.each(versions)('makeFiles, %s', (_, posix) => {
  it('content, mode and time: are as asked, whatever the umask', () => {
    const before = process.umask(0o077);
    try {
      const content = Buffer.from('alphabetagamma');
      const made = posix.makeFiles(
        folder,
        [
          fileOf('a'),
          fileOf('b \xff', { offset: 5, length: 4, mode: 0o4755, mtimeNs: -1_500_000_000n }),
          fileOf('empty', { offset: 14, length: 0 }),
        ],
        content,
      );
      expect(made).toEqual({ bytesWritten: 9, failed: [] });
    } finally {
      process.umask(before);
    }
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('alpha');
    expect(statSync(join(root, 'a'), { bigint: true }).mtimeNs).toBe(1_500_000_000_123_456_000n);
    expect(statSync(join(root, 'a')).mode & 0o7777).toBe(0o640);
    const odd = posix.lstat(Buffer.concat([Buffer.from(`${root}/b `), Buffer.from([0xff])]));
    expect(odd).toMatchObject({ size: 4, mtimeNs: -1_500_000_000n });
    expect(odd.mode & 0o7777).toBe(0o4755);
    expect(readFileSync(join(root, 'empty')).length).toBe(0);
  });

  it('pages of zeros: are holes, and the size is right', () => {
    const content = Buffer.alloc(5 * 4096 + 7);
    content.fill(1, 4096, 2 * 4096);
    const made = posix.makeFiles(folder, [fileOf('holes', { length: content.length })], content);
    expect(made).toEqual({ bytesWritten: 4096, failed: [] });
    expect(readFileSync(join(root, 'holes')).equals(content)).toBe(true);
  });

  it('a name that is there, a link included: fails alone, and nothing is written through it', () => {
    writeFileSync(join(root, 'there'), 'old');
    writeFileSync(join(root, 'target'), 'old');
    symlinkSync('target', join(root, 'link'));
    const files = [fileOf('there'), fileOf('link'), fileOf('good')];
    const { failed } = posix.makeFiles(folder, files, Buffer.from('alpha'));
    expect(failed).toMatchObject([
      { index: 0, error: { code: 'EEXIST' } },
      { index: 1, error: { code: 'EEXIST' } },
    ]);
    expect(readFileSync(join(root, 'there'), 'utf8')).toBe('old');
    expect(readFileSync(join(root, 'target'), 'utf8')).toBe('old');
    expect(readFileSync(join(root, 'good'), 'utf8')).toBe('alpha');
  });

  it.each(['..', '.', '', 'a/b', '../escaped', 'a\0b'])('the name %j: is refused', (name) => {
    const { failed } = posix.makeFiles(folder, [fileOf(name)], Buffer.from('alpha'));
    expect(failed).toMatchObject([{ index: 0, error: { code: 'EINVAL' } }]);
    expect(readdirSync(root)).toEqual([]);
  });

  it('an owner: is given, or no file stays', () => {
    const owner = { uid: 12_345, gid: 12_345 };
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) {
      posix.makeFiles(folder, [fileOf('given', { owner })], Buffer.from('alpha'));
      expect(statSync(join(root, 'given'))).toMatchObject({ uid: 12_345, gid: 12_345 });
      return;
    }
    const { failed } = posix.makeFiles(folder, [fileOf('given', { owner })], Buffer.from('alpha'));
    expect(failed).toMatchObject([{ error: { code: 'EPERM' } }]);
    expect(readdirSync(root)).toEqual([]);
  });
});
