/**
 * The kernel's reports under load (R17, promise 4): nothing is missing after a burst, what the
 * queue could not hold is a gap, and the feed leaves nothing behind.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openFeed } from '../../../shared/posix/feed.js';
import { Seeded } from '../../support/seeded.js';
import { Captured, feedMissing } from '../support/kernel-capture.js';
import { storm } from '../support/storm.js';

const missing = feedMissing();
if (missing !== undefined) console.log(`skipped: the kernel's reports: ${missing}`);
/** Where files are made fastest. */
const memory = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const SEED = Number(process.env['AFTERIMAGE_SEED'] ?? 5);

describe.skipIf(missing !== undefined)('fanotify: bursts', () => {
  let home: string;
  let captured: Captured | undefined;
  beforeEach(() => {
    home = fs.mkdtempSync(join(memory, 'afterimage-bursts-'));
  });
  afterEach(async () => {
    await captured?.source.stop();
    captured = undefined;
    spawnSync('rm', ['-rf', home]);
  });
  const at = (...names: string[]): string => join(home, ...names);

  test(`bursts: of 50,000 files made while folders above them move, none is missed (seed ${SEED})`, async () => {
    captured = await Captured.start(home);
    await storm(at('root'), { seed: SEED, creates: 50_000 });
    await captured.drain();
    expect(captured.told().filter((line) => line.startsWith('gap'))).toEqual([]);
    const files = listFiles(at('root'), 'root');
    expect(files).toHaveLength(50_000);
    const covered = captured.coverage();
    const missed = files.filter((file) => !covered(file));
    expect(missed.slice(0, 5)).toEqual([]);
  });

  test(`bursts: what random changes leave behind lies where it was reported (seed ${SEED})`, async () => {
    const random = new Seeded(SEED);
    captured = await Captured.start(home, ['root'], {
      // as the agent's state would know it
      pathsOf: ({ ino }) =>
        [...snapshot(home)]
          .filter(([, file]) => file.startsWith(`${ino} `))
          .map(([path]) => Buffer.from(path)),
    });
    fs.mkdirSync(at('out'));
    for (let round = 0; round < 30; round += 1) {
      const before = snapshot(home);
      await captured.drain();
      captured.seen.length = 0;
      for (let step = 0; step < 40; step += 1) change(random, home);
      await captured.drain();
      const after = snapshot(home);
      const covered = captured.coverage();
      expect(captured.told().filter((line) => line.startsWith('gap'))).toEqual([]);
      const looked = new Set([...after].filter(([path]) => covered(path)).map(([, file]) => file));
      for (const path of new Set([...before.keys(), ...after.keys()])) {
        if (before.get(path) === after.get(path) || covered(path)) continue;
        // the same file is looked at by another name of it
        if (looked.has(after.get(path) ?? '')) continue;
        if (isReplaced(path, { before, after, covered })) continue;
        expect.fail(`${path} changed unseen in round ${round}: ${captured.told().join(', ')}`);
      }
    }
  });

  test('overflow: what the bounded queue cannot hold is a gap, and later changes are seen', async () => {
    captured = await Captured.start(home, ['root'], {
      feedOf: (options) => openFeed({ ...options, batches: 1, batchBytes: 4_096 }),
    });
    const most = Number(fs.readFileSync('/proc/sys/fs/fanotify/max_queued_events', 'utf8'));
    // this thread takes no batch meanwhile, so the feed stops reading
    const told = await captured.of(() => {
      for (let file = 0; file < most + 2_000; file += 1) {
        fs.mkdirSync(at('root', `f${file}`));
      }
    });
    expect(told).toContain('gap watcher root');
    expect(captured.seen.length).toBeLessThan(most + 2_000);
    expect(captured.source.drain).toBeDefined();
    const later = await captured.of(() => {
      fs.writeFileSync(at('root/later'), 'x');
    });
    expect(later).toEqual(['changed root/later']);
  });

  test('drain: it waits for all that happened before, again and again', async () => {
    captured = await Captured.start(home);
    for (let turn = 0; turn < 200; turn += 1) {
      const path = at('root', `t${turn}`);
      fs.writeFileSync(path, 'x');
      await captured.drain();
      expect(captured.covers(`root/t${turn}`)).toBe(true);
    }
  });

  test('end: a hundred feeds leave no thread and no open file', async () => {
    fs.mkdirSync(at('root'));
    const count = (what: string): number => fs.readdirSync(`/proc/self/${what}`).length;
    const openOne = async (): Promise<void> => {
      const feed = await Captured.start(home);
      fs.writeFileSync(at('root/x'), 'x');
      await feed.source.stop();
    };
    await openOne();
    const before = { task: count('task'), fd: count('fd') };
    for (let turn = 0; turn < 100; turn += 1) await openOne();
    expect({ task: count('task'), fd: count('fd') }).toEqual(before);
  });

  test('end: a process ends by itself once its feed is closed, and when it exits with one open', () => {
    fs.mkdirSync(at('root'));
    const addon = new URL('../../../native/build/Release/afterimage_native.node', import.meta.url);
    const script = (end: string): string => `
      const fs = require('node:fs');
      const root = ${JSON.stringify(at('root'))};
      const fd = fs.openSync(root, 'r');
      const roots = [{ name: Buffer.from('root'), path: Buffer.from(root), fd, markFd: fd }];
      const options = { roots, ownFolders: [], unlimited: false, batchBytes: 4096, batches: 4 };
      const feed = require(${JSON.stringify(addon.pathname)}).openFeed(options, () => feed.take());
      for (let n = 0; n < 2000; n += 1) fs.writeFileSync(root + '/f' + n, 'x');
      ${end}`;
    for (const end of [
      'feed.close()',
      'setTimeout(() => process.exit(0), 30)',
      'process.exit(0)',
    ]) {
      const run = spawnSync(process.execPath, ['-e', script(end)], { timeout: 20_000 });
      expect({ end, status: run.status, signal: run.signal }).toEqual({
        end,
        status: 0,
        signal: null,
      });
    }
  });

  test('arguments: what is not a root or a list is refused before the kernel is asked', () => {
    expect(() =>
      openFeed({ roots: [{ name: 'r', path: '/', fd: -1, markFd: 0 }], ...rest }),
    ).toThrow(TypeError);
    expect(() => openFeed({ roots: [{ name: '', path: '/', fd: 0, markFd: 0 }], ...rest })).toThrow(
      TypeError,
    );
    expect(() => openFeed({ roots: [], ...rest, batches: 0 })).toThrow(TypeError);
  });
});

const rest = { ownFolders: [], onReports: () => undefined };

function listFiles(folder: string, name: string): string[] {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${name}/${entry.name}`;
    return entry.isDirectory() ? listFiles(join(folder, entry.name), path) : [path];
  });
}

/** What lies at each path below the root, with all that a point would carry of it. */
function snapshot(home: string): Map<string, string> {
  const found = new Map<string, string>();
  const look = (folder: string, name: string): void => {
    for (const entry of fs.readdirSync(folder)) {
      const path = join(folder, entry);
      const status = fs.lstatSync(path, { bigint: true });
      const { mode, mtimeNs, ino, size, birthtimeNs } = status;
      // a folder's own times change with its names, which are compared one by one
      const rest = status.isDirectory() ? '' : `${size} ${mtimeNs}`;
      found.set(`${name}/${entry}`, `${ino} ${birthtimeNs} ${mode} ${rest}`);
      if (status.isDirectory()) look(path, `${name}/${entry}`);
    }
  };
  look(join(home, 'root'), 'root');
  return found;
}

/** Whether a folder above was reported, and is another one or gone: all below is new then. */
function isReplaced(
  path: string,
  seen: {
    readonly before: ReadonlyMap<string, string>;
    readonly after: ReadonlyMap<string, string>;
    readonly covered: (path: string) => boolean;
  },
): boolean {
  const identity = (text: string | undefined): string =>
    (text ?? '').split(' ').slice(0, 2).join(' ');
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const above = path.slice(0, slash);
    const stayed = identity(seen.before.get(above)) === identity(seen.after.get(above));
    if (!stayed && seen.covered(above)) return true;
  }
  return false;
}

/** One random change below `home`/root or `home`/out; one that cannot be made is none. */
function change(random: Seeded, home: string): void {
  const pick = (): string => {
    let path = join(home, random.chance(0.75) ? 'root' : 'out');
    do {
      path = join(path, `n${random.below(5)}`);
    } while (random.chance(0.5));
    return path;
  };
  const [a, b] = [pick(), pick()];
  try {
    switch (random.below(8)) {
      case 0:
      case 1:
        fs.appendFileSync(a, 'x'.repeat(1 + random.below(9)));
        return;
      case 2:
        fs.mkdirSync(a);
        return;
      case 3:
        fs.renameSync(a, b);
        return;
      case 4:
        fs.linkSync(a, b);
        return;
      case 5:
        fs.rmSync(a, { recursive: true });
        return;
      case 6:
        fs.chmodSync(a, random.chance(0.5) ? 0o700 : 0o750);
        return;
      default:
        fs.renameSync(a, b);
        fs.mkdirSync(a);
        fs.renameSync(b, join(a, 'n0'));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}
