/** One contract, both versions: what `Posix` promises whether or not the addon is built. */
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPortablePosix } from '../../../shared/posix/portable-posix.js';
import { loadPosix, whyNotNative } from '../../../shared/posix/load-posix.js';
import type { Posix } from '../../../shared/posix/posix.js';

const loaded = loadPosix();
if (!loaded.native) console.warn(`native posix not tested: ${whyNotNative() ?? 'unknown'}`);
const versions: [string, Posix][] = [['portable', createPortablePosix()]];
if (loaded.native) versions.push(['native', loaded]);

const S_IFIFO = 0o010000;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-posix-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function at(name: string): string {
  return join(root, name);
}
function bytes(path: string): Buffer {
  return Buffer.from(path);
}
function failure(call: () => unknown): NodeJS.ErrnoException {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the call did not fail');
}
function withDescriptor<T>(path: string, flags: number, use: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

describe.each(versions)('posix, %s', (_name, posix) => {
  test('lstat: every field is what Node says, for file, folder, link and device', () => {
    writeFileSync(at('file'), 'hello');
    symlinkSync('file', at('link'));
    for (const path of [at('file'), at('link'), root, '/dev/null']) {
      const node = lstatSync(path, { bigint: true });
      expect(posix.lstat(bytes(path))).toEqual({
        mode: Number(node.mode),
        nlink: Number(node.nlink),
        uid: Number(node.uid),
        gid: Number(node.gid),
        rdev: Number(node.rdev),
        dev: Number(node.dev),
        ino: node.ino,
        size: Number(node.size),
        blocks: Number(node.blocks),
        mtimeNs: node.mtimeNs,
        ctimeNs: node.ctimeNs,
        btimeNs: node.birthtimeNs,
      });
    }
  });

  test('fstat: equals lstat of the same file', () => {
    writeFileSync(at('file'), 'hello');
    const status = withDescriptor(at('file'), constants.O_RDONLY, (fd) => posix.fstat(fd));
    expect(status).toEqual(posix.lstat(bytes(at('file'))));
  });

  test("failures: carry code, errno, syscall, path and message like Node's own", () => {
    const path = at('missing');
    const own = failure(() => lstatSync(path));
    const ours = failure(() => posix.lstat(bytes(path)));
    expect({ ...ours, message: ours.message }).toEqual({ ...own, message: own.message });
    expect(failure(() => posix.fstat(9_999)).code).toBe('EBADF');
    expect(failure(() => posix.scanFolder(bytes(path))).code).toBe('ENOENT');
    expect(failure(() => posix.lstat(Buffer.from('a\0b'))).code).toBe('EINVAL');
    expect(failure(() => posix.lstat(Buffer.alloc(0))).code).toBe('ENOENT');
    expect(failure(() => posix.fstat(-1)).code).toBe('EBADF');
    expect(failure(() => posix.fstat(1.5)).code).toBe('EBADF');
  });

  test('scanFolder: sorted by name bytes with the status of each, names need not be UTF-8', () => {
    const names = ['b', 'a', 'Z', 'é', 'a.b'].map((name) => Buffer.from(name));
    names.push(Buffer.from([0xff, 0xfe]), Buffer.from([0x61, 0x80]));
    for (const name of names) writeFileSync(Buffer.concat([bytes(`${root}/`), name]), name);
    mkdirSync(at('folder'));
    symlinkSync('nowhere', at('link'));
    const sorted = [...names, Buffer.from('folder'), Buffer.from('link')].sort((a, b) =>
      Buffer.compare(a, b),
    );
    const entries = posix.scanFolder(bytes(root));
    expect(entries.map((entry) => Buffer.from(entry.name))).toEqual(sorted);
    for (const { name, status } of entries) {
      expect(status).toEqual(posix.lstat(Buffer.concat([bytes(`${root}/`), name])));
    }
  });

  test('scanFolder: an empty folder is empty, a link or file is not scanned', () => {
    mkdirSync(at('folder'));
    symlinkSync('folder', at('link'));
    writeFileSync(at('file'), '');
    expect(posix.scanFolder(bytes(at('folder')))).toEqual([]);
    expect(posix.scanFolderPacked(bytes(at('folder')))).toHaveLength(0);
    expect(['ENOTDIR', 'ELOOP']).toContain(failure(() => posix.scanFolder(bytes(at('link')))).code);
    expect(failure(() => posix.scanFolder(bytes(at('file')))).code).toBe('ENOTDIR');
  });

  test('paths: go through a folder descriptor, and a descriptor itself can be scanned', () => {
    mkdirSync(at('folder'));
    writeFileSync(at('folder/file'), 'x');
    withDescriptor(at('folder'), constants.O_RDONLY, (fd) => {
      renameSync(at('folder'), at('moved'));
      expect(posix.lstat(bytes(`/proc/self/fd/${fd}/file`)).size).toBe(1);
      const [entry] = posix.scanFolder(bytes(`/proc/self/fd/${fd}/.`));
      expect(entry?.name.toString()).toBe('file');
    });
  });

  test('scanFolderPacked: unpacks to the scan without blocks and link counts of folders', () => {
    mkdirSync(at('folder'));
    writeFileSync(at('file'), Buffer.alloc(10_000, 1));
    linkSync(at('file'), at('twin'));
    const expected = posix.scanFolder(bytes(root)).map(({ name, status }) => ({
      name,
      status: { ...status, blocks: 0, nlink: name.toString() === 'folder' ? 0 : 2 },
    }));
    expect(posix.unpackScan(posix.scanFolderPacked(bytes(root)))).toEqual(expected);
  });

  test('scanFolderPacked: reading changes nothing, every kind of change does', () => {
    writeFileSync(at('file'), 'one');
    mkdirSync(at('folder'));
    const packed = (): Buffer => posix.scanFolderPacked(bytes(root));
    let before = packed();
    readFileSync(at('file'));
    expect(packed()).toEqual(before);
    const { mtime, atime } = lstatSync(at('file'));
    const changes: (() => void)[] = [
      () => {
        writeFileSync(at('file'), 'two'); // same size, and its mtime put back: ctime tells
        utimesSync(at('file'), atime, mtime);
      },
      () => {
        chmodSync(at('file'), 0o600);
      },
      () => {
        linkSync(at('file'), at('folder/twin'));
      },
      () => {
        renameSync(at('file'), at('other'));
      },
      () => {
        unlinkSync(at('other'));
      },
    ];
    for (const change of changes) {
      change();
      const after = packed();
      expect(after.equals(before), change.toString()).toBe(false);
      before = after;
    }
  });

  test('unpackScan: a buffer cut short is refused', () => {
    writeFileSync(at('file'), '');
    const packed = posix.scanFolderPacked(bytes(root));
    for (const length of [1, packed.length - 1]) {
      expect(() => posix.unpackScan(packed.subarray(0, length))).toThrow(/cut short/);
    }
  });

  test('setMtime: sets mtime and atime on the link itself, also before 1970', () => {
    writeFileSync(at('file'), '');
    lutimesSync(at('file'), 1, 1);
    symlinkSync('file', at('link'));
    const step = posix.native ? 1n : 1_000n; // the portable version carries microseconds
    for (const ns of [1_700_000_000_123_456_789n, 999_999_999n, 0n, -1_500_000_000n, -1_000n]) {
      posix.setMtime(bytes(at('link')), ns);
      const times = lstatSync(at('link'), { bigint: true });
      expect(times.mtimeNs).toBe(ns - (ns % step));
      expect(times.atimeNs).toBe(ns - (ns % step));
    }
    expect(posix.lstat(bytes(at('file'))).mtimeNs).toBe(1_000_000_000n);
    expect(
      failure(() => {
        posix.setMtime(bytes(at('gone')), -1n);
      }).code,
    ).toBe('ENOENT');
  });

  test('setMode: serves file, folder and FIFO without following a link', () => {
    writeFileSync(at('file'), '');
    symlinkSync('file', at('link'));
    mkdirSync(at('folder'));
    posix.mknod(bytes(at('fifo')), S_IFIFO | 0o600, 0);
    for (const name of ['file', 'folder', 'fifo']) {
      posix.setMode(bytes(at(name)), 0o4751);
      expect(posix.lstat(bytes(at(name))).mode & 0o7777).toBe(0o4751);
    }
    const refusal = failure(() => {
      posix.setMode(bytes(at('link')), 0o600);
    });
    expect(['EOPNOTSUPP', 'ENOTSUP']).toContain(refusal.code);
    expect(posix.lstat(bytes(at('file'))).mode & 0o7777).toBe(0o4751);
  });

  test('mknod: makes a FIFO under any name and refuses one that exists', () => {
    const names = [bytes(at('fi fo')), Buffer.concat([bytes(`${root}/`), Buffer.from([0xff])])];
    for (const path of names) {
      posix.mknod(path, S_IFIFO | 0o640, 0);
      expect(posix.lstat(path).mode).toBe(S_IFIFO | 0o640);
    }
    const make = (path: string) => () => {
      posix.mknod(bytes(path), S_IFIFO | 0o640, 0);
    };
    expect(failure(make(at('fi fo'))).code).toBe('EEXIST');
    expect(failure(make(at('no/where'))).code).toBe('ENOENT');
    withDescriptor(root, constants.O_RDONLY, (fd) => {
      make(`/proc/self/fd/${fd}/through`)();
      expect(posix.lstat(bytes(at('through'))).mode).toBe(S_IFIFO | 0o640);
    });
  });

  test('syncfs: flushes the file system of a descriptor, and fails for none', async () => {
    writeFileSync(at('file'), 'x');
    const fd = openSync(root, constants.O_RDONLY);
    posix.syncfsSync(fd);
    const flushed = posix.syncfs(fd);
    if (posix.native) closeSync(fd); // the flush under way has a duplicate of its own
    await flushed;
    if (!posix.native) closeSync(fd);
    await expect(posix.syncfs(fd)).rejects.toMatchObject({ code: 'EBADF' });
    expect(
      failure(() => {
        posix.syncfsSync(fd);
      }).code,
    ).toBe('EBADF');
  });

  test('dataRanges: cover all data in order within the size asked for', () => {
    writeFileSync(at('file'), Buffer.alloc(10_000, 1));
    const ranges = (size: number) =>
      withDescriptor(at('file'), constants.O_RDONLY, (fd) => posix.dataRanges(fd, size));
    expect(ranges(10_000)).toEqual([{ start: 0, end: 10_000 }]);
    expect(ranges(100)).toEqual([{ start: 0, end: 100 }]);
    expect(ranges(0)).toEqual([]);
    expect(failure(() => ranges(-1)).code).toBe('EINVAL');
  });

  test('getXattrs: a file without any has none, a missing file fails', () => {
    writeFileSync(at('file'), '');
    expect(posix.getXattrs(bytes(at('file')))).toEqual([]);
    expect(failure(() => posix.getXattrs(bytes(at('gone')))).code).toBe('ENOENT');
  });

  test('missing: is empty exactly when native', () => {
    expect(posix.missing.length === 0).toBe(posix.native);
  });
});
