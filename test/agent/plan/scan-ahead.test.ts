/**
 * Scans made ahead give the walk what a scan of its own would (R16), also where folders come and go
 * between the threads and the walk.
 */
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OpenFolder } from '../../../agent/plan/open-folder.js';
import { ScanAhead } from '../../../agent/plan/scan-ahead.js';
import { systemClock } from '../../../shared/clock.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { Seeded } from '../../support/seeded.js';
import { BlockDevices, call, mountsMissing } from '../../fault/power/block-devices.js';
import { openBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

const posix = loadPosix();
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);
const parts = { posix, clock: systemClock, ownFolders: [] };
let folder: string;
let fd: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-ahead-'));
  fd = openSync(folder, 'r');
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
});

const at = (...names: string[]): string => join(folder, ...names);
const rootOf = (): OpenFolder => OpenFolder.root({ node: 1, name: Buffer.from('root'), fd });

function begun(freshMs?: number): ScanAhead {
  const ahead = new ScanAhead(parts, freshMs);
  ahead.begin({ fd, status: posix.fstat(fd) });
  return ahead;
}

function child(parent: OpenFolder, name: string): OpenFolder {
  return parent.folder(2, Buffer.from(name));
}

/** Takes every folder of the tree in the walk's order; how many came from the threads. */
function takeAll(ahead: ScanAhead, top: OpenFolder): { taken: number; own: number } {
  const counts = { taken: 0, own: 0 };
  const visit = (at: OpenFolder): void => {
    const scan = ahead.take(at);
    const direct = posix.scanFolderPacked(at.self());
    if (scan === undefined) counts.own += 1;
    else {
      counts.taken += 1;
      expect(scan.packed.equals(direct)).toBe(true);
    }
    for (const { name, status } of posix.unpackScan(direct)) {
      if ((status.mode & 0o170000) === 0o040000) visit(at.folder(2, name));
    }
    at.close();
  };
  visit(top);
  return counts;
}

function makeTree(random: Seeded, path: string, depth: number): number {
  let folders = 1;
  for (let n = random.below(6); n > 0; n -= 1)
    writeFileSync(join(path, `f${random.below(99)}`), '');
  if (depth === 0) return folders;
  for (let n = 1 + random.below(5); n > 0; n -= 1) {
    const name = join(path, `d${random.below(30)}`);
    try {
      mkdirSync(name);
    } catch {
      continue; // drawn before
    }
    folders += makeTree(random, name, depth - 1);
  }
  return folders;
}

test(`scan ahead: every folder of a quiet tree comes as the walk would scan it (seed ${seed})`, (context) => {
  if (!posix.native) context.skip('no native part');
  const folders = makeTree(new Seeded(seed), folder, 5);
  const ahead = begun();
  try {
    expect(takeAll(ahead, rootOf())).toEqual({ taken: folders, own: 0 });
  } finally {
    ahead.close();
  }
});

test('scan ahead: a folder larger than what may wait comes whole', (context) => {
  if (!posix.native) context.skip('no native part');
  mkdirSync(at('a'));
  for (let n = 0; n < 1_300; n += 1) writeFileSync(at('a', `${'long'.repeat(30)}-${n}`), '');
  mkdirSync(at('b'));
  const ahead = begun();
  try {
    expect(takeAll(ahead, rootOf())).toEqual({ taken: 3, own: 0 });
  } finally {
    ahead.close();
  }
});

test('scan ahead: the walk may leave folders out and ask for others', (context) => {
  if (!posix.native) context.skip('no native part');
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(at(name, 'x', 'y'), { recursive: true });
    mkdirSync(at(name, 'z'));
  }
  const ahead = begun();
  try {
    const root = rootOf();
    expect(ahead.take(root)).toBeDefined();
    expect(ahead.take(child(root, 'aa'))).toBeUndefined();
    const b = child(root, 'b');
    expect(ahead.take(b)?.packed.equals(posix.scanFolderPacked(b.self()))).toBe(true);
    // x is left out with all that lies in it
    expect(ahead.take(child(b, 'z'))?.packed.length).toBe(0);
    expect(ahead.take(child(b, 'zz'))).toBeUndefined();
    const c = child(root, 'c');
    expect(ahead.take(c)).toBeDefined();
    const x = child(c, 'x');
    expect(ahead.take(x)).toBeDefined();
    expect(ahead.take(child(x, 'y'))).toBeDefined();
  } finally {
    ahead.close();
  }
});

test('scan ahead: below a folder that the walk scanned itself, nothing of another folder is used (R16)', (context) => {
  if (!posix.native) context.skip('no native part');
  mkdirSync(at('a', 'in'), { recursive: true });
  const ahead = begun();
  try {
    const root = rootOf();
    expect(ahead.take(root)).toBeDefined();
    const other = child(root, '0');
    expect(ahead.take(other)).toBeUndefined();
    expect(ahead.take(child(other, 'in'))).toBeUndefined();
    const a = child(root, 'a');
    expect(ahead.take(a)).toBeDefined();
    expect(ahead.take(child(a, 'in'))).toBeDefined();
  } finally {
    ahead.close();
  }
});

test('scan ahead: what is not fresh is left to the walk, and what lies below only if it did not move (R16)', (context) => {
  if (!posix.native) context.skip('no native part');
  mkdirSync(at('a', 'in'), { recursive: true });
  mkdirSync(at('b', 'in'), { recursive: true });
  const times = { now: 0 };
  const clock = { now: () => Date.now() + times.now, monotonic: () => performance.now() };
  const ahead = new ScanAhead({ posix, clock, ownFolders: [] }, 5_000);
  ahead.begin({ fd, status: posix.fstat(fd) });
  try {
    const root = rootOf();
    expect(ahead.take(root)).toBeDefined();
    times.now = 10_000;
    const a = child(root, 'a');
    expect(ahead.take(a)).toBeUndefined();
    times.now = 0;
    expect(ahead.take(child(a, 'in'))).toBeDefined();
    times.now = 10_000;
    renameSync(at('b'), at('old'));
    mkdirSync(at('b', 'in'), { recursive: true });
    const b = child(root, 'b');
    expect(ahead.take(b)).toBeUndefined();
    times.now = 0;
    expect(ahead.take(child(b, 'in'))).toBeUndefined();
  } finally {
    ahead.close();
  }
});

test('scan ahead: below a folder that the walk scanned again, another folder of the same name is not taken for it (R16)', (context) => {
  if (!posix.native) context.skip('no native part');
  for (const name of ['in', 'stays', 'x']) mkdirSync(at('a', name), { recursive: true });
  for (const name of ['in', 'x']) writeFileSync(at('a', name, 'file'), '');
  const times = { now: 0 };
  const clock = { now: () => Date.now() + times.now, monotonic: () => performance.now() };
  const ahead = new ScanAhead({ posix, clock, ownFolders: [] }, 5_000);
  ahead.begin({ fd, status: posix.fstat(fd) });
  try {
    const root = rootOf();
    expect(ahead.take(root)).toBeDefined();
    times.now = 10_000;
    const a = child(root, 'a');
    expect(ahead.take(a)).toBeUndefined();
    times.now = 0;
    renameSync(at('a', 'in'), at('a', 'old'));
    mkdirSync(at('a', 'in'));
    expect(ahead.take(child(a, 'in'))).toBeUndefined();
    expect(ahead.take(child(a, 'stays'))).toBeDefined();
  } finally {
    ahead.close();
  }
});

test('scan ahead: own folders are not entered, and a scan may end at any time', (context) => {
  if (!posix.native) context.skip('no native part');
  const folders = makeTree(new Seeded(7), folder, 5);
  expect(folders).toBeGreaterThan(5);
  mkdirSync(at('d00', 'own', 'deep'), { recursive: true });
  const own = posix.lstat(Buffer.from(at('d00', 'own')));
  const ahead = new ScanAhead({ ...parts, ownFolders: [{ dev: own.dev, ino: own.ino }] });
  for (let turn = 0; turn < 20; turn += 1) {
    ahead.begin({ fd, status: posix.fstat(fd) });
    const root = rootOf();
    expect(ahead.take(root)).toBeDefined();
    const parent = child(root, 'd00');
    expect(ahead.take(parent)).toBeDefined();
    expect(ahead.take(child(parent, 'own'))).toBeUndefined();
  }
  ahead.close();
});

test('scan ahead: neither what is mounted nor what links point to is entered (promise 8)', (context) => {
  if (!posix.native) context.skip('no native part');
  const devices = new BlockDevices();
  mkdirSync(at('a', 'bound', 'x'), { recursive: true });
  mkdirSync(at('b', 'memory', 'x'), { recursive: true });
  symlinkSync(at('a'), at('c'));
  const root = rootOf();
  const found: string[] = [];
  try {
    if (mountsMissing([]) === undefined) {
      devices.mount(at('b'), at('a', 'bound'), 'bind');
      call('mount', ['-t', 'tmpfs', 'none', at('b', 'memory')]);
      devices.add('memory', () => {
        call('umount', [at('b', 'memory')]);
      });
      mkdirSync(at('b', 'memory', 'y'));
    }
    const scan = posix.scanTree({ rootFd: fd, threads: 2, bytesMax: 1, skip: [] });
    for (let next = scan?.next(9); next !== undefined; next = scan?.next(9)) {
      found.push(next.name.toString());
    }
    scan?.close();
  } finally {
    root.close();
    devices.close();
  }
  const within = mountsMissing([]) === undefined ? [] : ['x'];
  const [bound, memory] = within.length === 0 ? [[], []] : [['bound'], ['memory']];
  expect(found).toEqual(['.', 'a', ...bound, ...within, 'b', ...memory, ...within]);
});

test(`scan ahead: a walk by it finds what changed, whatever that was (seed ${seed})`, async () => {
  const bench = openBench();
  const random = new Seeded(seed + 1);
  try {
    makeTree(random, bench.root, 4);
    await bench.sync();
    for (let turn = 0; turn < 4; turn += 1) {
      makeTree(random, bench.root, 3);
      for (let n = 0; n < 5; n += 1) {
        rmSync(join(bench.root, `d${random.below(30)}`), { recursive: true, force: true });
      }
      await bench.sync();
      expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
    }
  } finally {
    bench.close();
  }
});
