/**
 * A store through a shared mapping to a page that is dirty already moves no time: neither size nor
 * ctime tells of it (promises 4 and 5). Held here on each file system that this machine can make.
 */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import {
  BlockDevices,
  call,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../../fault/power/block-devices.js';
import { compilerMissing } from '../../fault/native-program.js';
import { compileWriter, Writer } from '../../support/writer/writer.js';
import { type AgentBench, openBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

const fileSystems = ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const;
const IMAGE_BYTES = 512 * 1024 * 1024;
const PAGE = 4096;
const OLD_MS = 60;
const devices = new BlockDevices();
const missing = loadPosix().native
  ? (compilerMissing() ?? mountsMissing(['ext4', 'xfs', 'btrfs']))
  : 'no native part';
let home: string;
let program: string;

beforeAll(() => {
  if (missing !== undefined) return;
  home = realpathSync(homeOfDevices(tmpdir()));
  program = join(home, 'writer');
  compileWriter(program);
});
afterAll(() => {
  devices.close();
  if (missing === undefined) rmSync(home, { recursive: true, force: true });
});

function mount(type: (typeof fileSystems)[number]): string {
  const place = join(home, type);
  mkdirSync(place);
  if (type === 'tmpfs') {
    call('mount', ['-t', 'tmpfs', 'none', place]);
    devices.add(place, () => {
      call('umount', [place]);
    });
  } else {
    makeFileSystem(type, `${place}.img`, { bytes: IMAGE_BYTES });
    devices.mount(devices.loop(`${place}.img`), place);
  }
  return place;
}

describe.each(fileSystems)('%s', (type) => {
  let root: string;
  let bench: AgentBench;
  let writer: Writer;

  const shows = (): void => {
    expect(differences(bench.session.replica.state, { root })).toEqual([]);
  };

  /** Until nothing is unsettled: what a look takes for sure is never looked at again. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) {
      const result = await bench.sync();
      if (result.type !== 'diverged' && result.unsettled === 0) return;
    }
  };

  const held = async (work: (path: string) => Promise<void>): Promise<void> => {
    root = mkdtempSync(join(mount(type), 'root-'));
    bench = openBench({ set: { roots: [{ name: 'root', path: root }] } });
    writer = new Writer(program);
    try {
      const path = join(root, 'file');
      writeFileSync(path, Buffer.alloc(4 * PAGE, 1));
      await settle();
      await work(path);
    } finally {
      await writer.close();
      bench.close();
      devices.down(join(home, type));
      rmSync(join(home, type), { recursive: true, force: true });
    }
  };

  const step = async (way: string, path: string, seed: number): Promise<void> => {
    expect(await writer.step({ way, path, offset: PAGE, length: 9, seed })).toBe('ok');
  };

  test('mapped writes: a store to a page that was dirty when it was read is seen', async (context) => {
    if (missing !== undefined) context.skip(missing);
    await held(async (path) => {
      await step('hold', path, 0);
      for (let turn = 0; turn < 3; turn += 1) {
        await step('store-held', path, 8 * turn);
        const before = readFileSync(path);
        await settle();
        shows();
        // the page is dirty since the store before, if nothing wrote it back
        await step('store-held', path, 8 * turn + 80);
        expect(readFileSync(path).equals(before)).toBe(false);
        await bench.sync();
        shows();
      }
    });
  });

  test('mapped writes: a store after a release, to a page that was read while held, is seen', async (context) => {
    if (missing !== undefined) context.skip(missing);
    await held(async (path) => {
      await step('hold', path, 0);
      let holds = 0;
      const release = { heldMs: 1, intact: true, releasedBy: 'agent' as const, problems: [] };
      const { set } = bench;
      bench.set = {
        ...set,
        recipe: () => ({
          name: 'test',
          consistency: 'filesystem',
          hold: async () => {
            holds += 1;
            await step('store-held', path, 8);
            // else it is looked at once more for its youth alone
            await vi.waitUntil(() => Date.now() > statSync(path).ctimeMs + OLD_MS);
            const broken = new AbortController().signal;
            return { heldSinceMs: 0, facts: {}, broken, release: () => Promise.resolve(release) };
          },
        }),
      };
      await bench.sync({ always: true });
      expect(holds).toBe(1);
      shows();
      bench.set = set;
      await step('store-held', path, 16);
      await bench.sync();
      shows();
    });
  });

  test('mapped writes: a store to a page of a new mapping that was only read is seen while it is mapped', async (context) => {
    if (missing !== undefined) context.skip(missing);
    await held(async (path) => {
      await step('hold', path, 0);
      await step('look-held', path, 0);
      await bench.sync();
      shows();
      await step('release', path, 0);
      await bench.sync();
      shows();
    });
  });

  test('mapped writes: a store through a mapping that is gone is seen by a look at everything, when its close was reported', async (context) => {
    if (missing !== undefined) context.skip(missing);
    await held(async (path) => {
      await step('hold', path, 0);
      await step('look-held', path, 0);
      await step('release', path, 0);
      bench.set.journal.record(Buffer.from('root/file'));
      expect(await bench.sync()).toMatchObject({ looked: 'everything' });
      shows();
    });
  });
});
