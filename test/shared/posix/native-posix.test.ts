/** What only the addon can, and that both versions agree to the byte. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadPosix, whyNotNative } from '../../../shared/posix/load-posix.js';
import { createPortablePosix } from '../../../shared/posix/portable-posix.js';

const posix = loadPosix();
const native = test.skipIf(!posix.native);
if (!posix.native) console.warn(`native posix not tested: ${whyNotNative() ?? 'unknown'}`);
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-native-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function at(name: string): Buffer {
  return Buffer.from(join(root, name));
}
function failure(call: () => unknown): NodeJS.ErrnoException {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the call did not fail');
}
/** False, with a printed reason, where the file system has no user attributes. */
function hasXattrs(): boolean {
  writeFileSync(at('probe'), '');
  try {
    posix.setXattr(at('probe'), Buffer.from('user.probe'), Buffer.from('1'));
    return true;
  } catch (error) {
    console.warn(`attributes not tested: ${String(error)}`);
    return false;
  }
}

native('scanFolderPacked: both versions give equal buffers, over a folder that changes', () => {
  const portable = createPortablePosix();
  const seed = Date.now() >>> 0;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 12) % below;
  };
  for (let round = 0; round < 150; round += 1) {
    const path = at(`n${random(30)}`);
    const there = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const action = random(5);
    if (there && action === 0) rmSync(path, { recursive: true });
    else if (there && action === 1) renameSync(path, at(`m${round}`));
    else if (!there && action === 2) mkdirSync(path);
    else if (!there && action === 3) symlinkSync('x'.repeat(random(50) + 1), path);
    else if (!there) writeFileSync(path, Buffer.alloc(random(9_000)));
    if (round % 10 === 0) {
      const packed = posix.scanFolderPacked(Buffer.from(root));
      const same = packed.equals(portable.scanFolderPacked(Buffer.from(root)));
      expect(same, `seed ${seed}, round ${round}`).toBe(true);
    }
  }
});

native('scanFolder: a folder of many reads of the kernel is whole', () => {
  const names = Array.from({ length: 3_000 }, (_, index) => `${'long-name-'.repeat(8)}${index}`);
  for (const name of names) writeFileSync(at(name), '');
  const scanned = posix.scanFolder(Buffer.from(root)).map((entry) => entry.name.toString());
  expect(scanned).toEqual([...names].sort());
});

native('xattrs: come back sorted as set, empty and binary values too, and can be removed', () => {
  if (!hasXattrs()) return;
  writeFileSync(at('file'), '');
  const wanted = [
    { name: Buffer.from('user.a'), value: Buffer.from([0, 255, 10]) },
    { name: Buffer.from('user.b'), value: Buffer.alloc(0) },
    { name: Buffer.from('user.c'), value: Buffer.alloc(2_000, 7) },
  ];
  for (const { name, value } of [...wanted].reverse()) posix.setXattr(at('file'), name, value);
  expect(posix.getXattrs(at('file'))).toEqual(wanted);
  posix.removeXattr(at('file'), Buffer.from('user.b'));
  expect(posix.getXattrs(at('file'))).toEqual([wanted[0], wanted[2]]);
  const again = failure(() => {
    posix.removeXattr(at('file'), Buffer.from('user.b'));
  });
  expect(again).toMatchObject({ code: 'ENODATA', syscall: 'lremovexattr', errno: -61 });
});

native('xattrs: belong to the link, never to what it points at', () => {
  if (!hasXattrs()) return;
  symlinkSync('probe', join(root, 'link'));
  expect(posix.getXattrs(at('link'))).toEqual([]);
  const refused = failure(() => {
    posix.setXattr(at('link'), Buffer.from('user.a'), Buffer.from('1'));
  });
  expect(refused.code).toBe('EPERM');
  expect(posix.getXattrs(at('probe')).map((xattr) => xattr.name.toString())).toEqual([
    'user.probe',
  ]);
});

native('xattrs: a POSIX ACL travels as bytes', () => {
  if (!hasXattrs()) return;
  // version 2, then tag, permissions, id: user::rw-, user:1234:r--, group::r--, mask::r--, other::---
  const entry = (tag: number, permissions: number, id: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(tag, 0);
    bytes.writeUInt16LE(permissions, 2);
    bytes.writeUInt32LE(id, 4);
    return bytes;
  };
  const none = 0xffff_ffff;
  const acl = Buffer.concat([
    Buffer.from([2, 0, 0, 0]),
    entry(0x01, 6, none),
    entry(0x02, 4, 1_234),
    entry(0x04, 4, none),
    entry(0x10, 4, none),
    entry(0x20, 0, none),
  ]);
  const name = Buffer.from('system.posix_acl_access');
  posix.setXattr(at('probe'), name, acl);
  expect(posix.getXattrs(at('probe'))).toContainEqual({ name, value: acl });
  expect(posix.lstat(at('probe')).mode & 0o777).toBe(0o640);
});

native('mknod: makes device nodes and sockets, and nothing else', () => {
  const rdev = posix.lstat(Buffer.from('/dev/null')).rdev;
  posix.mknod(at('socket'), 0o140600, 0);
  expect(posix.lstat(at('socket')).mode).toBe(0o140600);
  const refused = failure(() => {
    posix.mknod(at('file'), 0o100600, 0);
  });
  expect(refused).toMatchObject({ code: 'EINVAL', syscall: 'mknod' });
  if (process.getuid?.() !== 0) return;
  posix.mknod(at('null'), 0o020600, rdev);
  expect(posix.lstat(at('null'))).toMatchObject({ mode: 0o020600, rdev });
});

native('dataRanges: name what was written and skip holes, the offset stays', () => {
  const fd = openSync(at('sparse'), 'w+');
  try {
    const mebibyte = 1024 * 1024;
    writeSync(fd, 'head', 0);
    writeSync(fd, 'tail', 8 * mebibyte);
    ftruncateSync(fd, 16 * mebibyte);
    const ranges = posix.dataRanges(fd, 16 * mebibyte);
    expect(ranges).toHaveLength(2);
    expect(ranges[0]?.start).toBe(0);
    expect(ranges[1]?.start).toBe(8 * mebibyte);
    expect(ranges[1]?.end).toBeLessThan(9 * mebibyte);
    expect(posix.dataRanges(fd, mebibyte * 4)).toHaveLength(1);
    const byte = Buffer.alloc(4);
    readSync(fd, byte, 0, 4, null);
    expect(byte.toString()).toBe('head');
    ftruncateSync(fd, 0);
    ftruncateSync(fd, mebibyte);
    expect(posix.dataRanges(fd, mebibyte)).toEqual([]);
  } finally {
    closeSync(fd);
  }
});

native(
  'handleOf: follows a file through a rename, differs after its inode number is reused',
  () => {
    writeFileSync(at('file'), '');
    const first = posix.handleOf(at('file'));
    if (first === undefined) {
      console.warn('handles not tested: this file system has none');
      return;
    }
    renameSync(at('file'), at('moved'));
    expect(posix.handleOf(at('moved'))).toEqual(first);
    unlinkSync(at('moved'));
    writeFileSync(at('file'), '');
    expect(posix.handleOf(at('file'))).not.toEqual(first);
    expect(failure(() => posix.handleOf(at('gone'))).code).toBe('ENOENT');
  },
);

native('openTemporary: has no name until it is linked, and never replaces a file', () => {
  const fd = posix.openTemporary(Buffer.from(root), 0o600);
  if (fd === undefined) {
    console.warn('unnamed files not tested: this file system has none');
    return;
  }
  try {
    writeSync(fd, 'content');
    expect(posix.scanFolder(Buffer.from(root))).toEqual([]);
    posix.linkTemporary(fd, at('named'));
    expect(readFileSync(at('named'), 'utf8')).toBe('content');
    expect(lstatSync(at('named')).mode & 0o777).toBe(0o600);
    const again = failure(() => {
      posix.linkTemporary(fd, at('named'));
    });
    expect(again).toMatchObject({ code: 'EEXIST', syscall: 'linkat' });
  } finally {
    closeSync(fd);
  }
  expect(failure(() => posix.openTemporary(at('gone'), 0o600)).code).toBe('ENOENT');
  symlinkSync('.', at('link'));
  expect(failure(() => posix.openTemporary(at('link'), 0o600)).code).toMatch(/ENOTDIR|ELOOP/);
});

native('syncfs: a failing descriptor rejects like a system call', async () => {
  await expect(posix.syncfs(9_999)).rejects.toMatchObject({ code: 'EBADF', syscall: 'syncfs' });
});

native('access times: a scan leaves the access time of its folder alone', () => {
  const old = new Date('2001-01-01T00:00:00Z');
  execFileSync('touch', ['-a', '-d', old.toISOString(), root]);
  posix.scanFolder(Buffer.from(root));
  expect(lstatSync(root).atimeMs).toBe(old.getTime());
});

test('AFTERIMAGE_NO_NATIVE: asks for the portable version, and the reason is told', () => {
  const script = `
    import { loadPosix, whyNotNative } from ${JSON.stringify(
      new URL('../../../dist/shared/posix/load-posix.js', import.meta.url).href,
    )};
    console.log(JSON.stringify([loadPosix().native, whyNotNative()]));`;
  const run = (env: NodeJS.ProcessEnv): unknown =>
    JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        env: { ...process.env, ...env },
        encoding: 'utf8',
      }),
    );
  expect(run({ AFTERIMAGE_NO_NATIVE: '1' })).toEqual([false, 'AFTERIMAGE_NO_NATIVE is set']);
  expect(run({ AFTERIMAGE_NO_NATIVE: '' })).not.toContain('AFTERIMAGE_NO_NATIVE is set');
});
