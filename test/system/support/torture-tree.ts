/**
 * A tree of everything that a file system can hold and copies get wrong, and changes to it. Names
 * are Buffers where they are no text.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { nestDeep } from '../../support/deep-folders.js';
import { Seeded } from '../../support/seeded.js';

const isRoot = process.getuid?.() === 0;
const KIB = 1024;

/** One change of the tree; after each a point is cut. */
export interface TortureStep {
  readonly title: string;
  run(root: string): void;
}

const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: 'pipe' });
};

const under = (root: string, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), name]);

const oddNames: readonly Buffer[] = [
  Buffer.from('line\nbreak'),
  Buffer.from([0x66, 0xff, 0xfe, 0x80]),
  Buffer.from([0xc3, 0x28]),
  Buffer.from('back\\slash'),
  Buffer.from('\\x41'),
  Buffer.from(' leading and trailing '),
  Buffer.from('-rf'),
  Buffer.from('*?[a]'),
  Buffer.from('"quotes" \'and\' `ticks`'),
  Buffer.from('tab\tand\u0007bell'),
  Buffer.from('e\u0301 and \u00e9'),
  Buffer.from('...'),
  Buffer.from('\ufffd'),
  Buffer.from('n'.repeat(255)),
  Buffer.concat(Array.from({ length: 85 }, () => Buffer.from('€'))),
];

function fillFiles(root: string): void {
  const at = (name: string): string => path.join(root, name);
  const seeded = new Seeded(7);
  for (const size of [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000]) {
    fs.writeFileSync(at(`size-${size}`), seeded.bytes(size));
  }
  fs.writeFileSync(at('zeros'), Buffer.alloc(200_000));
  fs.mkdirSync(at('odd'));
  for (const name of oddNames) fs.writeFileSync(under(at('odd'), name), name);
  fs.mkdirSync(under(at('odd'), Buffer.from([0xff, 0x0a, 0xfe])));
  fs.writeFileSync(under(at('odd'), Buffer.from([0xff, 0x0a, 0xfe, 0x2f, 0x80])), 'inside');
  for (const empty of ['empty', 'empty-in/a/b/c']) fs.mkdirSync(at(empty), { recursive: true });
  const fd = fs.openSync(at('sparse'), 'w');
  fs.writeSync(fd, seeded.bytes(8 * KIB), 0, 8 * KIB, 20 * KIB * KIB);
  fs.writeSync(fd, seeded.bytes(100), 0, 100, 40 * KIB * KIB + 5);
  fs.ftruncateSync(fd, 64 * KIB * KIB + 3);
  fs.closeSync(fd);
}

function fillLinks(root: string): void {
  const at = (name: string): string => path.join(root, name);
  for (const folder of ['links/a', 'links/b']) fs.mkdirSync(at(folder), { recursive: true });
  fs.writeFileSync(at('links/one'), 'three names'.repeat(9000));
  fs.linkSync(at('links/one'), at('links/a/two'));
  fs.linkSync(at('links/one'), at('links/b/three'));
  const targets = { dangling: 'nowhere', absolute: '/etc/passwd', parent: '..', self: 'self' };
  for (const [name, target] of Object.entries(targets)) fs.symlinkSync(target, at(`links/${name}`));
  fs.symlinkSync(oddNames[1] ?? '', at('links/odd-target'));
  fs.symlinkSync('t'.repeat(4095), at('links/long-target'));
  fs.linkSync(at('links/dangling'), at('links/a/dangling-too'));
  run('mkfifo', at('fifo'));
  fs.linkSync(at('fifo'), at('links/fifo-too'));
  const socket = `require('net').createServer().listen(process.argv[1], () => process.exit())`;
  // ended by force, so that the name stays
  run(
    'sh',
    '-c',
    'cd "$1" && "$2" -e "$3" socket || test -S socket',
    'sh',
    root,
    process.execPath,
    socket.replace('process.exit()', "process.kill(process.pid, 'SIGKILL')"),
  );
}

function fillMetadata(root: string): void {
  const at = (name: string): string => path.join(root, name);
  fs.mkdirSync(at('meta/folder'), { recursive: true });
  const file = (name: string): string => {
    fs.writeFileSync(at(`meta/${name}`), name);
    return at(`meta/${name}`);
  };
  const modes = { setuid: 0o4755, setgid: 0o2755, none: 0o000, all: 0o777, 'read-only': 0o444 };
  for (const [name, mode] of Object.entries(modes)) {
    const made = file(name);
    if (isRoot) fs.chownSync(made, 1000 + mode, 2000);
    fs.chmodSync(made, mode);
  }
  const folders = { sticky: 0o1777, 'setgid-folder': 0o2770, locked: 0o555, shut: 0o000 };
  for (const [name, mode] of Object.entries(folders)) {
    fs.mkdirSync(at(`meta/${name}`));
    fs.writeFileSync(at(`meta/${name}/inside`), name);
    fs.chmodSync(at(`meta/${name}`), mode);
  }
  run('setfattr', '-n', 'user.note', '-v', 'a value', file('xattr'));
  run('setfattr', '-n', 'user.empty', at('meta/xattr'));
  run('setfattr', '-n', 'user.long', '-v', 'v'.repeat(3000), at('meta/xattr'));
  run('setfattr', '-n', 'user.binary', '-v', '0x00ff0a5c', at('meta/folder'));
  run('setfacl', '-m', 'u:1234:rwx,g:4321:r--', file('acl'));
  run('setfacl', '-m', 'u:1234:rwx,d:u:1234:r-x,d:g:99:rwx', at('meta/folder'));
  if (isRoot) {
    run('mknod', at('meta/character'), 'c', '1', '3');
    run('mknod', at('meta/block'), 'b', '7', '200');
    fs.lchownSync(at('links/dangling'), 77, 88);
    fs.chownSync(file('capable'), 5, 6);
    const capability = '0x0100000200200000000000000000000000000000';
    run('setfattr', '-n', 'security.capability', '-v', capability, at('meta/capable'));
    run('setfattr', '-n', 'trusted.note', '-v', 'root only', at('meta/xattr'));
    run('setfattr', '-h', '-n', 'trusted.note', '-v', 'of a link', at('links/absolute'));
  }
  const times = {
    '2001-02-03 04:05:06.123456789': ['meta/xattr', 'meta/folder', 'links/dangling', 'fifo'],
    '1969-12-31 23:59:58.000000001 UTC': ['meta/all', 'empty'],
    '1950-01-02 03:04:05.999999999': ['links/one'],
    '2200-01-01 00:00:00.5': ['zeros'],
  };
  for (const [time, names] of Object.entries(times)) {
    for (const name of names) run('touch', '-h', '-d', time, at(name));
  }
}

function inPlaceEdits(root: string): void {
  const at = (name: string): string => path.join(root, name);
  const { atime, mtime } = fs.statSync(at('size-65537'));
  const fd = fs.openSync(at('size-65537'), 'r+');
  fs.writeSync(fd, 'x', 65_536);
  fs.closeSync(fd);
  fs.utimesSync(at('size-65537'), atime, mtime);
  fs.truncateSync(at('size-300000'), 100_001);
  fs.appendFileSync(at('size-4096'), 'more');
  fs.truncateSync(at('size-65535'), 0);
  fs.truncateSync(at('size-1'), 500_000);
  run('fallocate', '-p', '-o', '0', '-l', '65536', at('size-65536'));
  const sparse = fs.openSync(at('sparse'), 'r+');
  fs.writeSync(sparse, 'in a hole', 5 * KIB * KIB);
  fs.closeSync(sparse);
  fs.writeFileSync(under(at('odd'), oddNames[1] ?? Buffer.alloc(0)), 'changed');
}

function relink(root: string): void {
  const at = (name: string): string => path.join(root, 'links', name);
  fs.appendFileSync(at('a/two'), 'through the second name');
  fs.copyFileSync(at('b/three'), at('b/apart'));
  fs.renameSync(at('b/apart'), at('b/three'));
  fs.linkSync(at('one'), at('b/fourth'));
  fs.rmSync(at('one'));
  fs.rmSync(at('absolute'));
  fs.symlinkSync('/elsewhere', at('absolute'));
}

function swapNames(root: string): void {
  const at = (name: string): string => path.join(root, name);
  const swap = (a: string, b: string): void => {
    fs.renameSync(at(a), at('between'));
    fs.renameSync(at(b), at(a));
    fs.renameSync(at('between'), at(b));
  };
  swap('size-4095', 'size-4097');
  swap('links/a', 'links/b');
  swap('empty', 'zeros');
  fs.renameSync(at('odd'), at('ODD'));
  fs.renameSync(at('size-0'), at('Size-0'));
  fs.renameSync(at('links'), at('empty-in/links'));
  fs.renameSync(at('empty-in'), at('moved'));
}

function kindToKind(root: string): void {
  const at = (name: string): string => path.join(root, name);
  fs.rmSync(at('size-65536'));
  fs.mkdirSync(at('size-65536'));
  fs.writeFileSync(at('size-65536/size-65536'), 'a folder was a file');
  fs.rmSync(at('ODD'), { recursive: true });
  fs.symlinkSync('meta', at('ODD'));
  fs.rmSync(at('fifo'));
  fs.writeFileSync(at('fifo'), 'a file was a fifo');
  fs.rmSync(at('size-4095'));
  run('mkfifo', at('size-4095'));
}

function kindsBack(root: string): void {
  const at = (name: string): string => path.join(root, name);
  fs.rmSync(at('size-65536'), { recursive: true });
  fs.writeFileSync(at('size-65536'), new Seeded(8).bytes(65_536));
  fs.rmSync(at('ODD'));
  fs.mkdirSync(at('ODD'));
  for (const name of oddNames) fs.writeFileSync(under(at('ODD'), name), 'anew');
  fs.rmSync(at('fifo'));
  run('mkfifo', at('fifo'));
}

function metadataOnly(root: string): void {
  const at = (name: string): string => path.join(root, name);
  fs.chmodSync(root, 0o711);
  fs.chmodSync(at('meta/setuid'), 0o6711);
  fs.chmodSync(at('meta/locked'), 0o700);
  run('touch', '-h', '-d', '1999-09-09 09:09:09.000000009', at('moved/links/parent'));
  run('touch', '-d', '2010-10-10 10:10:10.101010101', at('size-4097'), at('meta'));
  run('setfattr', '-x', 'user.empty', at('meta/xattr'));
  run('setfattr', '-n', 'user.note', '-v', 'another', at('meta/xattr'));
  run('setfacl', '-b', at('meta/acl'));
  run('setfacl', '-m', 'u:5:r', at('meta/all'));
  if (!isRoot) return;
  fs.chownSync(at('size-4096'), 65_534, 4_000_000_000);
  fs.chownSync(at('meta'), 11, 12);
  fs.lchownSync(at('moved/links/parent'), 13, 14);
}

export const tortureSteps: readonly TortureStep[] = [
  {
    title: 'everything at once',
    run: (root) => {
      fillFiles(root);
      fillLinks(root);
      fillMetadata(root);
      fs.mkdirSync(path.join(root, 'deep'));
      nestDeep(path.join(root, 'deep'), 3600);
    },
  },
  { title: 'edits in place, with old times put back', run: inPlaceEdits },
  { title: 'hard links broken, added and written through', run: relink },
  { title: 'names swapped, folders moved, case changed', run: swapNames },
  { title: 'files become folders, links and FIFOs', run: kindToKind },
  { title: 'and become files again', run: kindsBack },
  { title: 'modes, owners, times, ACLs and xattrs only', run: metadataOnly },
  {
    title: 'nothing is left',
    run: (root) => {
      for (const name of fs.readdirSync(root)) {
        fs.rmSync(path.join(root, name), { recursive: true });
      }
    },
  },
  {
    title: 'everything again',
    run: (root) => {
      fillFiles(root);
      fillLinks(root);
      fillMetadata(root);
    },
  },
];
