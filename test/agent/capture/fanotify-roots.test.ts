/**
 * Roots of the kernel's reports: several of them, mounts that come, go and lead in from elsewhere,
 * and what is refused (R17, promise 4).
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCapture } from '../../../agent/capture/choose-source.js';
import { silentLog } from '../../../shared/log.js';
import {
  BlockDevices,
  call,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../../fault/power/block-devices.js';
import { Captured, feedMissing } from '../support/kernel-capture.js';
import { until } from '../support/until.js';

const missing = feedMissing() ?? mountsMissing(['ext4', 'btrfs']);
if (missing !== undefined) console.log(`skipped: the kernel's reports: ${missing}`);
const MIB = 1024 * 1024;

describe.skipIf(missing !== undefined)('fanotify: roots', () => {
  let devices: BlockDevices;
  let home: string;
  let captured: Captured | undefined;
  beforeEach(() => {
    devices = new BlockDevices();
    // on a file system of its own, where nobody else makes events
    home = homeOfDevices(tmpdir());
    call('mount', ['-t', 'tmpfs', 'none', home]);
    devices.add(home, () => void call('umount', [home]));
  });
  afterEach(async () => {
    await captured?.source.stop();
    captured = undefined;
    devices.close();
    spawnSync('rm', ['-rf', home]);
  });
  const at = (...names: string[]): string => join(home, ...names);

  function mountTmpfs(point: string): void {
    fs.mkdirSync(point, { recursive: true });
    call('mount', ['-t', 'tmpfs', 'none', point]);
    devices.add(point, () => void call('umount', [point]));
  }

  function bind(from: string, to: string): void {
    fs.mkdirSync(to, { recursive: true });
    call('mount', ['--bind', from, to]);
    devices.add(to, () => void call('umount', [to]));
  }

  function loopExt4(): string {
    makeFileSystem('ext4', at('image'), { bytes: 32 * MIB });
    return devices.loop(at('image'));
  }

  async function untilWhole(source: Captured): Promise<void> {
    await until('every root is followed', () => source.source.drain !== undefined);
  }

  test('roots: several of one set are told apart, on one file system and on two', async () => {
    mountTmpfs(at('other'));
    fs.mkdirSync(at('other/c'));
    captured = new Captured([
      { name: 'a', path: at('a') },
      { name: 'c', path: at('other/c') },
      { name: 'aa', path: at('aa') },
    ]);
    fs.mkdirSync(at('a'));
    fs.mkdirSync(at('aa'));
    await captured.start();
    const told = await captured.of(() => {
      for (const name of ['a', 'aa', 'other/c', 'other']) fs.writeFileSync(at(name, 'x'), 'x');
    });
    expect(told).toEqual(['changed a/x', 'changed aa/x', 'changed c/x']);
    fs.mkdirSync(at('a/d'));
    const moved = await captured.of(() => {
      fs.renameSync(at('a/d'), at('aa/d'));
    });
    expect(moved).toEqual(['arrived aa/d', 'changed a/d']);
  });

  test('binds: changes through another mount of the file system are seen', async () => {
    mountTmpfs(at('fs'));
    fs.mkdirSync(at('fs/tree/sub'), { recursive: true });
    bind(at('fs/tree/sub'), at('elsewhere'));
    captured = new Captured([{ name: 'root', path: at('fs/tree') }]);
    await captured.start();
    expect(
      await captured.of(() => {
        fs.writeFileSync(at('elsewhere/x'), 'x');
      }),
    ).toEqual(['changed root/sub/x']);
  });

  test('binds: a root that is itself a bind of a part sees what the whole does to it', async () => {
    mountTmpfs(at('fs'));
    fs.mkdirSync(at('fs/deep/part/in'), { recursive: true });
    fs.mkdirSync(at('fs/root'));
    bind(at('fs/deep/part'), at('root'));
    captured = new Captured([{ name: 'root', path: at('root') }]);
    await captured.start();
    const told = await captured.of(() => {
      fs.writeFileSync(at('fs/deep/part/in/x'), 'x');
      fs.writeFileSync(at('fs/deep/beside'), 'x');
    });
    expect(told).toEqual(['changed root/in/x']);
  });

  test('mounts: another file system below a root is not reported', async () => {
    fs.mkdirSync(at('root'));
    mountTmpfs(at('root/below'));
    captured = new Captured([{ name: 'root', path: at('root') }]);
    await captured.start();
    const told = await captured.of(() => {
      fs.writeFileSync(at('root/below/x'), 'x');
      fs.writeFileSync(at('root/y'), 'x');
    });
    expect(told).toEqual(['changed root/y']);
  });

  test('mounts: a root that is unmounted is a gap, and followed again when it is back', async () => {
    const device = loopExt4();
    fs.mkdirSync(at('root'));
    call('mount', [device, at('root')]);
    devices.add('root', () => void spawnSync('umount', [at('root')]));
    captured = new Captured([{ name: 'root', path: at('root') }]);
    await captured.start();
    await captured.of(() => {
      fs.writeFileSync(at('root/before'), 'x');
    });
    call('umount', [at('root')]); // nothing of the feed keeps it
    const { seen } = captured;
    await until(
      'the gap is reported',
      () => captured?.told().includes('gap root-missing root') === true,
    );
    await until('what is there instead is followed', () => captured?.source.drain !== undefined);
    seen.length = 0;
    call('mount', [device, at('root')]);
    await captured.drain();
    expect(captured.told()).toContain('gap root-missing root');
    await untilWhole(captured);
    expect(
      await captured.of(() => {
        fs.writeFileSync(at('root/after'), 'x');
      }),
    ).toEqual(['changed root/after']);
  });

  test('mounts: a root mounted anew at once is a gap before a drain ends', async () => {
    const device = loopExt4();
    fs.mkdirSync(at('root'));
    call('mount', [device, at('root')]);
    devices.add('root', () => void spawnSync('umount', [at('root')]));
    captured = new Captured([{ name: 'root', path: at('root') }]);
    await captured.start();
    await captured.drain();
    const drain = captured.source.drain;
    const script = `umount ${at('root')} && mount ${device} ${at('root')} && echo x > ${at('root/quick')}`;
    expect(spawnSync('sh', ['-c', script]).status).toBe(0);
    await drain?.();
    expect(captured.told()).toContain('gap root-missing root');
    await untilWhole(captured);
    expect(
      await captured.of(() => {
        fs.writeFileSync(at('root/x'), 'x');
      }),
    ).toEqual(['changed root/x']);
  });

  test('roots: one that is replaced by another folder is a gap, and the other is followed', async () => {
    captured = await Captured.start(home, ['root', 'second']);
    const drain = captured.source.drain;
    fs.renameSync(at('root'), at('old'));
    fs.mkdirSync(at('root'));
    await drain?.();
    expect(captured.told()).toContain('gap root-missing root');
    await untilWhole(captured);
    const told = await captured.of(() => {
      fs.writeFileSync(at('root/x'), 'x');
      fs.writeFileSync(at('old/x'), 'x');
      fs.writeFileSync(at('second/x'), 'x');
    });
    expect(told).toEqual(['changed root/x', 'changed second/x']);
  });

  test('roots: one that is not there is a gap; the others are followed without one', async () => {
    captured = new Captured([
      { name: 'here', path: at('here') },
      { name: 'late', path: at('late') },
    ]);
    fs.mkdirSync(at('here'));
    await captured.start();
    expect(captured.source.drain).toBeUndefined();
    expect(captured.source.name).toBe('scan');
    expect(captured.told()).toEqual(['gap root-missing late']);
    fs.writeFileSync(at('here/x'), 'x');
    await until('the other root is followed', () => captured?.covers('here/x') === true);
    captured.seen.length = 0;
    fs.mkdirSync(at('late'));
    await untilWhole(captured);
    expect(captured.told()).toEqual(['gap root-missing late']);
    expect(
      await captured.of(() => {
        fs.writeFileSync(at('late/x'), 'x');
      }),
    ).toEqual(['changed late/x']);
  });

  test('roots: a path by a symbolic link follows where it leads', async () => {
    fs.mkdirSync(at('one'));
    fs.mkdirSync(at('two'));
    fs.symlinkSync(at('one'), at('root'));
    captured = new Captured([{ name: 'root', path: at('root') }]);
    await captured.start();
    expect(
      await captured.of(() => {
        fs.writeFileSync(at('one/x'), 'x');
      }),
    ).toEqual(['changed root/x']);
    fs.unlinkSync(at('root'));
    fs.symlinkSync(at('two'), at('root'));
    await captured.source.drain?.();
    expect(captured.told()).toContain('gap root-missing root');
    await untilWhole(captured);
    expect(
      await captured.of(() => {
        fs.writeFileSync(at('two/x'), 'x');
      }),
    ).toEqual(['changed root/x']);
  });

  test('roots: one that moves away and back within a moment is looked at whole', async () => {
    captured = await Captured.start(home);
    const told = await captured.of(() => {
      fs.renameSync(at('root'), at('away'));
      fs.writeFileSync(at('away/x'), 'x');
      fs.renameSync(at('away'), at('root'));
    });
    expect(told).toContain('arrived root');
  });

  test('links: a file written by a name outside is reported by the names it is known by', async () => {
    const asked: bigint[] = [];
    captured = await Captured.start(home, ['root'], {
      pathsOf: ({ ino }) => {
        asked.push(ino);
        return [Buffer.from('root/known')];
      },
    });
    fs.writeFileSync(at('root/known'), 'x');
    fs.linkSync(at('root/known'), at('outside'));
    const told = await captured.of(() => {
      fs.appendFileSync(at('outside'), 'x');
    });
    expect(told).toEqual(['changed root/known']);
    expect(asked).toContain(fs.lstatSync(at('outside'), { bigint: true }).ino);
  });

  test('btrfs: a subvolume is followed by way of its top level, else refused by name', async () => {
    makeFileSystem('btrfs', at('image'), { bytes: 200 * MIB });
    const device = devices.loop(at('image'));
    fs.mkdirSync(at('top'));
    fs.mkdirSync(at('root'));
    devices.mount(device, at('top'), 'subvolid=5');
    call('btrfs', ['subvolume', 'create', at('top/volume')]);
    devices.mount(device, at('root'), 'subvol=/volume');
    captured = new Captured([{ name: 'root', path: at('root') }]);
    await captured.start();
    call('btrfs', ['subvolume', 'create', at('root/inner')]);
    await captured.drain();
    const told = await captured.of(() => {
      fs.writeFileSync(at('root/x'), 'x');
      fs.writeFileSync(at('top/volume/y'), 'x');
      fs.writeFileSync(at('top/z'), 'x');
      fs.writeFileSync(at('root/inner/x'), 'x');
    });
    expect(told).toEqual(['changed root/x', 'changed root/y']);
    await captured.source.stop();
    call('umount', [at('top')]);
    devices.add('top again', () => void call('mount', ['-o', 'subvolid=5', device, at('top')]));
    const refused = new Captured([{ name: 'root', path: at('root') }]).start();
    await expect(refused).rejects.toThrow(/root cannot be followed: it is a btrfs subvolume/);
  });

  test('overlay: without file handles it is refused by name, and watches take over', async () => {
    mountTmpfs(at('layers'));
    for (const name of ['lower', 'upper', 'work']) fs.mkdirSync(at('layers', name));
    fs.mkdirSync(at('root'));
    const layers = at('layers');
    const options = `lowerdir=${layers}/lower,upperdir=${layers}/upper,workdir=${layers}/work`;
    call('mount', ['-t', 'overlay', '-o', options, 'none', at('root')]);
    devices.add('overlay', () => void call('umount', [at('root')]));
    const lines: string[] = [];
    const capture = createCapture({
      source: 'auto',
      roots: [{ name: 'root', path: at('root') }],
      ownFolders: [],
      watchFilesMax: 100,
      scanEveryMs: 60_000,
      log: { ...silentLog, warn: (line: string) => void lines.push(line) },
    });
    await capture.start(() => undefined);
    expect(capture.name).toBe('chokidar');
    expect(capture.drain).toBeUndefined();
    expect(lines).toEqual([
      `root ${at('root')} cannot be followed: its file system has no file handles; ` +
        'an overlay has them with index=on,nfs_export=on; each file is watched instead',
    ]);
    await capture.stop();
  });

  test('choice: the kernel is chosen where it may be, whatever the size of the tree', async () => {
    fs.mkdirSync(at('root'));
    const capture = createCapture({
      source: 'auto',
      roots: [{ name: 'root', path: at('root') }],
      ownFolders: [],
      watchFilesMax: 0,
      scanEveryMs: 60_000,
      log: silentLog,
    });
    await capture.start(() => undefined);
    expect(capture.name).toBe('fanotify');
    expect(capture.drain).toBeDefined();
    await capture.stop();
    expect(capture.drain).toBeUndefined();
  });
});
