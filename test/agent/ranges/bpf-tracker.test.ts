/**
 * Promises 4 and 5 and R27 for files that the kernel's tracker follows: what it does not report did
 * not change, however it was written, and what it cannot know is read whole.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemError } from '../../../shared/posix/system-error.js';
import { openTracker } from '../../../shared/posix/tracker.js';
import {
  BlockDevices,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../../fault/power/block-devices.js';
import { Seeded } from '../../support/seeded.js';
import { BpfRig, MIB, randomChange, smallLimits, trackerMissing } from './bpf-rig.js';
import type { RigOptions } from './bpf-rig.js';
import { compileWriter } from './writer-of-kinds.js';

const STEPS = Number(process.env['AFTERIMAGE_TRACKER_STEPS'] ?? 1000);
const SEED = Number(process.env['AFTERIMAGE_TRACKER_SEED'] ?? 20_261);
const STEPS_A_LOOK = 14;

const missing =
  mountsMissing(['ext4', 'xfs']) ??
  trackerMissing() ??
  (spawnSync('cc', ['--version']).error === undefined ? undefined : 'there is no C compiler');
if (missing !== undefined) console.log(`skipped: the tracker of changed ranges: ${missing}`);

describe.skipIf(missing !== undefined).each(['ext4', 'xfs'] as const)('tracker on %s', (type) => {
  const devices = new BlockDevices();
  const rigs: BpfRig[] = [];
  let home = '';
  let folder = '';
  let device = '';
  let program = '';

  beforeAll(() => {
    home = homeOfDevices(fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    const image = path.join(home, 'image');
    folder = path.join(home, 'mounted');
    fs.mkdirSync(folder);
    makeFileSystem(type, image, { bytes: 512 * MIB });
    device = devices.loop(image);
    devices.mount(device, folder);
    program = compileWriter(home) ?? '';
  }, 60_000);

  afterEach(async () => {
    for (const rig of rigs.splice(0)) await rig.close();
  });

  afterAll(() => {
    devices.close();
    fs.rmSync(home, { recursive: true, force: true });
  });

  function makeRig(options: Partial<RigOptions> = {}): BpfRig {
    const rig = new BpfRig({ folder, program, ...options });
    rigs.push(rig);
    return rig;
  }

  const all = `over ${STEPS} random changes`;
  test.each(['mapped', 'not mapped'] as const)(
    `reports: no page that differs lies outside them, ${all}, file %s`,
    async (mapped) => {
      const random = new Seeded(SEED);
      const rig = makeRig({ mapped });
      const done = new Map<string, number>();
      await rig.copy.look();
      for (let step = 1; step <= STEPS; step += 1) {
        const change = randomChange(random, fs.statSync(rig.file).size);
        const errno = await rig.writer.make(change);
        if (errno === 0) done.set(change.kind, (done.get(change.kind) ?? 0) + 1);
        if (step % STEPS_A_LOOK !== 0 && step !== STEPS) continue;
        const failed = step !== STEPS && random.chance(0.2);
        await rig.copy.look(failed ? 'failed' : 'said');
        if (random.chance(0.5)) rig.copy.settle();
        if (failed) continue;
        const where = `seed ${SEED}, step ${step}, after ${change.kind} at ${change.offset}`;
        expect({ where, differsAt: rig.copy.differsAt() }).toEqual({ where, differsAt: -1 });
      }
      // a file that is mapped for writing is read whole at each look
      if (mapped === 'mapped') expect(rig.copy.whole).toBeGreaterThan(1);
      else expect(rig.copy.whole, rig.said.join('; ')).toBe(1);
      const always = ['write', 'append', 'direct', 'libaio', 'uring', 'punch', 'zero'];
      if (mapped === 'mapped') always.push('store');
      const own = type === 'ext4' ? ['take', 'collapse', 'insert'] : ['clone', 'unshare'];
      for (const kind of [
        ...always,
        ...own,
        'truncate',
        'copy',
        'splice',
        'sendfile',
        'allocate',
      ]) {
        expect(done.get(kind) ?? 0, `${kind} was done`).toBeGreaterThan(0);
      }
    },
    120_000,
  );

  test('looks: none misses what threads store, write and punch at that moment', async () => {
    const rig = makeRig();
    await rig.copy.look();
    for (let round = 0; round < 8; round += 1) {
      await rig.writer.storm(SEED + round);
      await rig.copy.look();
      await rig.copy.look(round % 3 === 0 ? 'failed' : 'said');
      await rig.writer.calm();
      await rig.copy.look();
      expect({ round, differsAt: rig.copy.differsAt() }).toEqual({ round, differsAt: -1 });
      rig.copy.settle();
    }
    expect(rig.copy.whole).toBeGreaterThan(1);
  }, 60_000);

  test('a write of one block: is all that is read of the file, when it was known', async () => {
    const rig = makeRig({ mapped: 'not mapped' });
    await rig.copy.look();
    rig.copy.settle();
    await rig.writer.make({ kind: 'write', offset: 5 * 65536 + 3, length: 10, fill: 9 });
    const first = await rig.copy.look('failed');
    expect(first).toEqual([{ start: 5 * 65536, end: 6 * 65536 }]);
    rig.copy.settle();
    const again = await rig.copy.look();
    expect(again).toEqual(first);
    expect(await rig.copy.look()).toEqual([]);
  });

  test('a program that is detached: its changes are missed, so these tests can fail', async () => {
    const rig = makeRig({ mapped: 'not mapped' });
    await rig.copy.look();
    const lost = type === 'ext4' ? 'ext4_delayed_write_end' : 'iomap_step';
    rig.tracker.kernel.detach(rig.programOf(lost));
    await rig.writer.make({ kind: 'write', offset: 3 * 65536, length: 4096, fill: 8 });
    expect(await rig.copy.look()).toEqual([]);
    expect(rig.copy.differsAt()).toBe(3 * 65536);
  });

  test('a program that is detached before a file system is tried: it is not served', async () => {
    const rig = makeRig();
    rig.tracker.kernel.detach(rig.programOf('dirty_folio'));
    await rig.copy.look();
    await rig.copy.look();
    expect(rig.copy.whole).toBe(2);
    expect(rig.said.join()).toMatch(/detached/);
  });

  test('no room for marks: the file is read whole each time, and is whole', async () => {
    const rig = makeRig({ limits: { ...smallLimits, followedBytesMax: 8 * MIB } });
    await rig.copy.look();
    await rig.writer.make({ kind: 'write', offset: 70_000, length: 10, fill: 9 });
    await rig.copy.look();
    expect([rig.copy.whole, rig.copy.differsAt()]).toEqual([2, -1]);
    expect(rig.said.join()).toMatch(/too many large files/);
  });

  test('a file that cannot be watched: takes no room from the others', async () => {
    const filesMax = 3;
    const rig = makeRig({ mapped: 'not mapped', limits: { ...smallLimits, filesMax } });
    const opened = openTracker({ files: 1, words: 4 });
    if (!('addon' in opened)) throw new Error(opened.whyNot);
    opened.kernel.close();
    // The same for all trackers of the process; the system allows a user so many watches.
    const { addon } = opened;
    const watchInode = vi.spyOn(addon, 'watchInode').mockImplementation(() => {
      throw systemError('ENOSPC', 'inotify_add_watch');
    });
    try {
      for (let look = 0; look <= filesMax; look += 1) await rig.copy.look();
      expect(watchInode).toHaveBeenCalledTimes(filesMax + 1);
    } finally {
      watchInode.mockRestore();
    }
    await rig.copy.look();
    expect(await rig.copy.look()).toEqual([]);
  });

  test('a file that outgrew its marks: is followed in a larger place', async () => {
    const rig = makeRig({ mapped: 'not mapped' });
    await rig.copy.look();
    await rig.writer.make({ kind: 'truncate', offset: 64 * MIB, length: 0, fill: 0 });
    await rig.writer.make({ kind: 'write', offset: 50 * MIB, length: 10, fill: 3 });
    await rig.copy.look();
    await rig.writer.make({ kind: 'write', offset: 60 * MIB, length: 10, fill: 4 });
    await rig.writer.make({ kind: 'write', offset: 65_536, length: 10, fill: 5 });
    expect(await rig.copy.look()).toEqual([
      { start: 65_536, end: 131_072 },
      { start: 60 * MIB, end: 60 * MIB + 65_536 },
    ]);
    expect([rig.copy.whole, rig.copy.differsAt()]).toEqual([1, -1]);
  });

  test('another file under the same name: is unknown', async () => {
    const rig = makeRig();
    await rig.copy.look();
    fs.rmSync(rig.file);
    fs.writeFileSync(rig.file, Buffer.alloc(8 * MIB, 2));
    expect(await rig.copy.look()).toBeUndefined();
    expect([rig.copy.whole, rig.copy.differsAt()]).toEqual([2, -1]);
  });

  test('another file under the same name: has the room of the one before', async () => {
    const rig = makeRig({ limits: { ...smallLimits, followedBytesMax: 40 * MIB } });
    await rig.copy.look();
    fs.rmSync(rig.file);
    fs.writeFileSync(rig.file, Buffer.alloc(8 * MIB, 2));
    await rig.copy.look();
    expect(await rig.copy.look()).toEqual([]);
  });

  test('an unmount: makes its files unknown, whatever happened meanwhile', async () => {
    const rig = makeRig();
    await rig.copy.look();
    await rig.writer.close();
    devices.down(folder);
    devices.mount(device, folder);
    expect(await rig.copy.look()).toBeUndefined();
  });
});
