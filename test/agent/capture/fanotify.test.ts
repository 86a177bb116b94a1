/** The kernel's reports (R17): what each kind of change makes known, on real file systems. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import {
  BlockDevices,
  call,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
  type FileSystemType,
} from '../../fault/power/block-devices.js';
import { nestDeep } from '../../support/deep-folders.js';
import { Captured, feedMissing } from '../support/kernel-capture.js';

const missing = feedMissing() ?? mountsMissing(['ext4', 'xfs', 'btrfs']);
if (missing !== undefined) console.log(`skipped: the kernel's reports: ${missing}`);

const MIB = 1024 * 1024;
type Kind = FileSystemType | 'tmpfs' | 'overlay';
const kinds: readonly Kind[] = ['ext4', 'xfs', 'btrfs', 'tmpfs', 'overlay'];

/** Mounts a new file system of this kind and returns a folder of it. */
function provide(kind: Kind, devices: BlockDevices, home: string): string {
  const point = join(home, kind);
  fs.mkdirSync(point);
  if (kind === 'tmpfs') {
    call('mount', ['-t', 'tmpfs', 'none', point]);
    devices.add(point, () => void call('umount', [point]));
  } else if (kind === 'overlay') {
    const layers = join(home, 'layers');
    fs.mkdirSync(layers);
    call('mount', ['-t', 'tmpfs', 'none', layers]);
    devices.add(layers, () => void call('umount', [layers]));
    for (const layer of ['lower', 'upper', 'work']) fs.mkdirSync(join(layers, layer));
    const folders = `lowerdir=${layers}/lower,upperdir=${layers}/upper,workdir=${layers}/work`;
    const options = `${folders},index=on,nfs_export=on`;
    call('mount', ['-t', 'overlay', '-o', options, 'none', point]);
    devices.add(point, () => void call('umount', [point]));
  } else {
    const image = join(home, `${kind}.img`);
    makeFileSystem(kind, image, { bytes: 320 * MIB });
    devices.mount(devices.loop(image), point);
  }
  return point;
}

describe.skipIf(missing !== undefined).each(kinds)('fanotify on %s', (kind) => {
  let devices: BlockDevices;
  let home: string;
  let folder: string;
  let captured: Captured;
  let turn = 0;
  beforeAll(() => {
    devices = new BlockDevices();
    home = homeOfDevices(tmpdir());
    folder = provide(kind, devices, home);
  });
  afterAll(() => {
    devices.close();
    spawnSync('rm', ['-rf', home]); // goes into paths longer than PATH_MAX
  });
  const root = (...names: string[]): string => join(folder, `t${turn}`, 'root', ...names);
  const out = (...names: string[]): string => join(folder, `t${turn}`, 'out', ...names);
  beforeEach(async () => {
    turn += 1;
    fs.mkdirSync(out(), { recursive: true });
    fs.mkdirSync(root('own'), { recursive: true });
    captured = await Captured.start(join(folder, `t${turn}`), ['root'], {
      ownFolders: [root('own')],
    });
  });
  afterEach(async () => {
    await captured.source.stop();
  });
  const of = (change: () => void): Promise<string[]> => captured.of(change);

  test('reports: what exists and does not change is not reported', async () => {
    expect(captured.source.name).toBe('fanotify');
    expect(await of(() => fs.readdirSync(root()))).toEqual([]);
  });

  test('reports: making, writing, cutting and removing a file name it', async () => {
    const file = root('a');
    expect(
      await of(() => {
        fs.writeFileSync(file, 'x');
      }),
    ).toEqual(['changed root/a']);
    expect(
      await of(() => {
        fs.appendFileSync(file, 'y');
      }),
    ).toEqual(['changed root/a']);
    expect(
      await of(() => {
        fs.truncateSync(file, 1);
      }),
    ).toEqual(['changed root/a']);
    expect(
      await of(() => {
        fs.truncateSync(file, 9_000);
      }),
    ).toEqual(['changed root/a']);
    expect(await of(() => void call('fallocate', ['-p', '-l', '4096', file]))).toEqual([
      'changed root/a',
    ]);
    expect(
      await of(() => {
        fs.copyFileSync(file, root('b'));
      }),
    ).toEqual(['changed root/b']);
    expect(
      await of(() => {
        fs.unlinkSync(file);
      }),
    ).toEqual(['changed root/a']);
  });

  test('reports: mode, owner, times and attributes of files, folders and links name them', async () => {
    fs.writeFileSync(root('f'), 'x');
    fs.mkdirSync(root('d'));
    fs.symlinkSync('nowhere', root('s'));
    expect(
      await of(() => {
        fs.chmodSync(root('f'), 0o600);
      }),
    ).toEqual(['changed root/f']);
    expect(
      await of(() => {
        fs.chownSync(root('f'), 1, 1);
      }),
    ).toEqual(['changed root/f']);
    expect(
      await of(() => {
        fs.utimesSync(root('f'), 1, 1);
      }),
    ).toEqual(['changed root/f']);
    expect(await of(() => void call('touch', [root('f')]))).toEqual(['changed root/f']);
    expect(
      await of(() => {
        fs.chmodSync(root('d'), 0o700);
      }),
    ).toEqual(['changed root/d']);
    expect(
      await of(() => {
        fs.lchownSync(root('s'), 1, 1);
      }),
    ).toEqual(['changed root/s']);
    expect(
      await of(() => {
        fs.chmodSync(root(), 0o711);
      }),
    ).toEqual(['changed root']);
    const attribute = kind === 'overlay' ? 'user.tried' : 'trusted.tried';
    const set = ['-n', attribute, '-v', '1', root('f')];
    if (spawnSync('setfattr', set).status === 0) {
      expect(await of(() => void call('setfattr', set))).toEqual(['changed root/f']);
    }
  });

  test('reports: folders, links, FIFOs and sockets that come and go are named', async () => {
    expect(await of(() => fs.mkdirSync(root('d/e/f'), { recursive: true }))).toEqual([
      'changed root/d',
      'changed root/d/e',
      'changed root/d/e/f',
    ]);
    expect(
      await of(() => {
        fs.symlinkSync('x', root('d/s'));
      }),
    ).toEqual(['changed root/d/s']);
    expect(await of(() => void call('mkfifo', [root('p')]))).toEqual(['changed root/p']);
    expect(
      await of(() => {
        fs.unlinkSync(root('p'));
      }),
    ).toEqual(['changed root/p']);
    expect(
      await of(() => {
        fs.rmdirSync(root('d/e/f'));
      }),
    ).toEqual(['changed root/d/e/f']);
    // of removed folders only the topmost must be known
    expect(
      await of(() => {
        fs.rmSync(root('d'), { recursive: true });
      }),
    ).toContain('changed root/d');
  });

  test('reports: a rename names both ends, in the roots and across their edge', async () => {
    fs.writeFileSync(root('a'), 'x');
    fs.writeFileSync(root('victim'), 'x');
    fs.writeFileSync(out('o'), 'x');
    expect(
      await of(() => {
        fs.renameSync(root('a'), root('b'));
      }),
    ).toEqual(['changed root/a', 'changed root/b']);
    expect(
      await of(() => {
        fs.renameSync(root('b'), root('victim'));
      }),
    ).toEqual(['changed root/b', 'changed root/victim']);
    expect(
      await of(() => {
        fs.renameSync(root('victim'), out('v'));
      }),
    ).toEqual(['changed root/victim']);
    expect(
      await of(() => {
        fs.renameSync(out('o'), root('o'));
      }),
    ).toEqual(['changed root/o']);
  });

  test('reports: a folder that comes with its content is told from one that is made', async () => {
    fs.mkdirSync(out('x/y'), { recursive: true });
    fs.writeFileSync(out('x/y/z'), '1');
    expect(
      await of(() => {
        fs.renameSync(out('x'), root('x'));
      }),
    ).toEqual(['arrived root/x']);
    expect(
      await of(() => {
        fs.writeFileSync(root('x/y/z'), '2');
      }),
    ).toEqual(['changed root/x/y/z']);
    expect(
      await of(() => {
        fs.renameSync(root('x'), root('w'));
      }),
    ).toEqual(['arrived root/w', 'changed root/x']);
    expect(
      await of(() => {
        fs.writeFileSync(root('w/y/z'), '3');
      }),
    ).toEqual(['changed root/w/y/z']);
    expect(
      await of(() => {
        fs.renameSync(root('w'), out('w'));
      }),
    ).toEqual(['changed root/w']);
    expect(
      await of(() => {
        fs.writeFileSync(out('w/y/z'), '4');
      }),
    ).toEqual([]);
  });

  test.skipIf(kind === 'overlay')('reports: two entries that change places name both', async () => {
    fs.mkdirSync(root('d'));
    fs.writeFileSync(root('d/in'), 'x');
    fs.writeFileSync(root('f'), 'x');
    expect(
      await of(() => {
        exchange(root('d'), root('f'));
      }),
    ).toEqual(['arrived root/f', 'changed root/d', 'changed root/f']);
    expect(
      await of(() => {
        fs.writeFileSync(root('f/in'), 'y');
      }),
    ).toEqual(['changed root/f/in']);
  });

  test('reports: a file that a folder replaces, and the other way round', async () => {
    fs.writeFileSync(root('a'), 'x');
    const told = await of(() => {
      fs.unlinkSync(root('a'));
      fs.mkdirSync(root('a'));
      fs.writeFileSync(root('a/b'), 'x');
    });
    expect(told).toEqual(['changed root/a', 'changed root/a/b']);
    const back = await of(() => {
      fs.rmSync(root('a'), { recursive: true });
      fs.writeFileSync(root('a'), 'x');
    });
    expect(back).toContain('changed root/a');
  });

  test('reports: names are bytes, and as long as may be', async () => {
    const odd = Buffer.from([0x66, 0xff, 0xfe, 0x0a, 0x20]);
    const told = await of(() => {
      fs.writeFileSync(Buffer.concat([Buffer.from(`${root()}/`), odd]), 'x');
      fs.writeFileSync(root('n'.repeat(255)), 'x');
    });
    expect(told).toEqual([
      `changed root/${odd.toString('latin1')}`,
      `changed root/${'n'.repeat(255)}`,
    ]);
  });

  test('reports: a path longer than can be said makes its readable part be looked at', async () => {
    nestDeep(root(), 4_400);
    await captured.drain();
    const arrived = captured.seen.filter((report) => report.type === 'arrived');
    expect(arrived.length).toBeGreaterThan(0);
    for (const { path } of arrived) expect(path.length).toBeGreaterThan(3_700);
  });

  test('reports: nothing of the own folder, and of others what this process does', async () => {
    const told = await of(() => {
      fs.mkdirSync(root('own/deep'));
      fs.writeFileSync(root('own/deep/journal'), 'x');
      fs.writeFileSync(root('other'), 'x');
    });
    expect(told).toEqual(['changed root/other']);
  });

  test('links: a write by another name names the file or the doubt', async () => {
    fs.writeFileSync(root('in'), 'x');
    const made = await of(() => {
      fs.linkSync(root('in'), root('twin'));
    });
    expect(made).toContain('changed root/twin');
    fs.linkSync(root('in'), out('out'));
    expect(
      await of(() => {
        fs.appendFileSync(root('twin'), 'x');
      }),
    ).toContain('changed root/twin');
    await of(() => {
      fs.appendFileSync(out('out'), 'x');
    });
    expect(captured.covers('root/in')).toBe(true);
  });

  test('links: a write by a name that was removed names the one that is left', async () => {
    fs.writeFileSync(root('first'), 'x');
    fs.linkSync(root('first'), root('second'));
    const open = fs.openSync(root('first'), 'a');
    fs.unlinkSync(root('first'));
    await of(() => fs.writeSync(open, 'y'));
    expect(captured.covers('root/second')).toBe(true);
    fs.writeFileSync(root('first'), 'another');
    await of(() => fs.writeSync(open, 'z'));
    expect(captured.covers('root/second')).toBe(true);
    fs.closeSync(open);
  });

  test('links: a write in a folder that is gone names the file where it lives on', async () => {
    fs.mkdirSync(root('d'));
    fs.writeFileSync(root('d/first'), 'x');
    fs.linkSync(root('d/first'), root('second'));
    await of(() => {
      fs.appendFileSync(root('d/first'), 'y');
      fs.rmSync(root('d'), { recursive: true });
    });
    expect(captured.covers('root/second')).toBe(true);
  });

  test('reports: a file without a name is reported when it gets one, and after', async () => {
    const posix = loadPosix();
    const fd = posix.openTemporary(Buffer.from(root()), 0o600);
    if (fd === undefined) {
      console.log(`skipped: ${kind} makes no files without a name`);
      return;
    }
    await of(() => {
      fs.writeSync(fd, 'x');
      posix.linkTemporary(fd, Buffer.from(root('late')));
    });
    expect(captured.covers('root/late')).toBe(true);
    await of(() => fs.writeSync(fd, 'y'));
    expect(captured.covers('root/late')).toBe(true);
    fs.closeSync(fd);
  });
});

function exchange(a: string, b: string): void {
  const program = `
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
sys.exit(libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2) != 0)`;
  call('python3', ['-c', program, a, b]);
}
