/** Promise 4 and R27: what a range does not touch did not change, whatever was done to the file. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CloneSource, usualCloneLimits } from '../../../agent/ranges/clone-source.js';
import type { RangeFile, RangeLook } from '../../../agent/ranges/range-source.js';
import { AfterimageError } from '../../../shared/errors.js';
import { loadExtents } from '../../../shared/posix/extents.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { silentLog } from '../../../shared/log.js';
import { systemError } from '../../../shared/posix/system-error.js';
import {
  BlockDevices,
  call,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../../fault/power/block-devices.js';
import { Seeded } from '../../support/seeded.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { changeSome } from './random-writes.js';

const MIB = 1024 * 1024;
const STEPS = Number(process.env['AFTERIMAGE_RANGE_STEPS'] ?? 10);
const HIDDEN = '.afterimage';

const missing =
  mountsMissing(['xfs', 'btrfs']) ??
  (spawnSync('xfs_io', ['-V']).error === undefined ? undefined : 'xfs_io is missing') ??
  (loadExtents() === undefined ? 'the native part is not built' : undefined);
if (missing !== undefined) console.log(`clones are not kept here: ${missing}`);

const kinds = [
  { name: 'xfs', type: 'xfs', options: 'defaults' },
  { name: 'btrfs', type: 'btrfs', options: 'defaults' },
  { name: 'compressed-btrfs', type: 'btrfs', options: 'compress-force=zstd' },
] as const;

describe.skipIf(missing !== undefined)('clones and extents', () => {
  let home = '';
  const devices = new BlockDevices();
  const folders = new Map<string, string>();

  beforeAll(() => {
    home = homeOfDevices(tmpdir());
    for (const { name, type, options } of kinds) {
      const image = join(home, `${name}.img`);
      const folder = join(home, name);
      makeFileSystem(type, image, { bytes: 512 * MIB });
      mkdirSync(folder);
      devices.mount(devices.loop(image), folder, options);
      folders.set(name, folder);
    }
  }, 60_000);

  afterAll(() => {
    devices.close();
    rmSync(home, { recursive: true, force: true });
  });

  /** A bench whose root lies on the file system, with a source that counts what it answered. */
  function open(kind: string): { bench: AgentBench; answered: Counts; root: string } {
    const root = join(folders.get(kind) ?? '', `root-${answers.length}`);
    mkdirSync(root);
    const answered: Counts = { looks: 0, ranged: 0, blocksOut: 0 };
    answers.push(answered);
    const bench = openBench({
      set: { roots: [{ name: 'root', path: root }], ranges: countingSource(root, answered) },
    });
    return { bench, answered, root };
  }

  test.each(kinds)(
    'ranges: after every sync the copy is the file, under random changes on $name (R27)',
    async ({ name }) => {
      const seed = Number(process.env['AFTERIMAGE_SEED'] ?? Date.now() % 1_000_000);
      const random = new Seeded(seed);
      const { bench, answered, root } = open(name);
      const story: string[] = [];
      try {
        for (let step = 0; step < STEPS; step += 1) {
          story.push(changeSome(root, random).join(', '));
          if (random.chance(0.3)) {
            story.push(await spoilSync(bench, random));
            if (random.chance(0.5)) story.push(changeSome(root, random).join(', '));
          }
          if (random.chance(0.15)) bench.restart();
          await bench.sync();
          story.push('sync');
          expect(differing(bench, root), `seed ${seed}\n${story.join('\n')}`).toEqual([]);
        }
      } finally {
        bench.set.ranges?.close();
        bench.close();
      }
      expect(answered.ranged, `seed ${seed}`).toBeGreaterThan(0);
      if (name !== 'compressed-btrfs') expect(answered.blocksOut).toBeGreaterThan(100);
    },
    60_000 + STEPS * 1_000,
  );

  test('ranges: half of a compressed extent put in place of the other half is read (R27)', async () => {
    const { bench, root } = open('compressed-btrfs');
    const file = join(root, 'a');
    try {
      const halves = ['one ', 'two '].map((word) => Buffer.alloc(64 * 1024, word));
      writeFileSync(file, Buffer.concat([...halves, Buffer.alloc(2 * MIB, 'more of it ')]));
      await bench.sync();
      await bench.sync({ always: true });
      call('xfs_io', ['-c', `reflink ${file} ${64 * 1024} 0 ${64 * 1024}`, file]);
      expect(readFileSync(file, { encoding: 'latin1' }).slice(0, 4)).toBe('two ');
      await bench.sync();
      expect(differing(bench, root)).toEqual([]);
    } finally {
      bench.set.ranges?.close();
      bench.close();
    }
  });

  test('ranges: what a crash left behind is removed, and a kept clone outlives a restart', async () => {
    const { bench, answered, root } = open('xfs');
    const file = join(root, 'a');
    const kept = join(root, HIDDEN, 'kept-test');
    try {
      writeFileSync(file, new Seeded(1).bytes(3 * MIB));
      await bench.sync();
      expect(readdirSync(kept)).toHaveLength(1);
      writeFileSync(join(kept, '7.0000.1.2'), 'of a look that was lost');
      bench.restart();
      appendFileSync(file, 'more');
      await bench.sync();
      expect(readdirSync(kept)).toHaveLength(1);
      expect(answered.ranged).toBe(1);
      rmSync(file);
      await bench.sync();
      expect(readdirSync(kept)).toEqual([]);
      expect(bench.set.ranges?.state().files).toBe(0);
    } finally {
      bench.set.ranges?.close();
      bench.close();
    }
  });

  test('ranges: a disk that is full and a kept clone that cannot be removed fail no sync', async () => {
    const { bench, root } = open('xfs');
    const kept = join(root, HIDDEN, 'kept-test');
    const posix = loadPosix();
    const full = { ...posix, clone: () => Promise.reject(systemError('ENOSPC', 'ficlone')) };
    writeFileSync(join(root, 'a'), new Seeded(1).bytes(3 * MIB));
    await bench.sync();
    const [name = ''] = readdirSync(kept);
    call('chattr', ['+i', join(kept, name)]);
    bench.set.ranges?.close();
    const ranges = countingSource(root, { looks: 0, ranged: 0, blocksOut: 0 }, full);
    bench.set = { ...bench.set, ranges };
    try {
      appendFileSync(join(root, 'a'), 'more');
      await bench.sync();
      expect(differing(bench, root)).toEqual([]);
    } finally {
      call('chattr', ['-i', join(kept, name)]);
      ranges.close();
      bench.close();
    }
  });
});

interface Counts {
  looks: number;
  /** Looks that had ranges. */
  ranged: number;
  /** 64 KiB blocks that lie wholly outside of them. */
  blocksOut: number;
}

const answers: Counts[] = [];

function countingSource(root: string, counts: Counts, posix = loadPosix()): CloneSource {
  const extents = loadExtents();
  const source = new CloneSource({
    roots: [{ name: 'root', path: root }],
    hidden: HIDDEN,
    folder: 'kept-test',
    posix,
    extents,
    limits: { ...usualCloneLimits, fileBytesMin: 1.5 * MIB, freeShareMin: 0.01 },
    log: silentLog,
  });
  const begin = source.begin.bind(source);
  source.begin = async (file: RangeFile): Promise<RangeLook | undefined> => {
    const look = await begin(file);
    counts.looks += 1;
    if (look?.ranges === undefined) return look;
    counts.ranged += 1;
    const touched = look.ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    counts.blocksOut += Math.floor((file.status.size - touched) / 65_536);
    return look;
  };
  return source;
}

/** A sync that is taken back; says how. */
async function spoilSync(bench: AgentBench, random: Seeded): Promise<string> {
  const { session } = bench;
  const way = random.pick(['lost', 'refused', 'rotten'] as const);
  const { replica } = session;
  const wants: { node: number; block: number }[] = [];
  if (way === 'rotten') {
    const files = [...replica.state.nodes].filter(([, { content }]) => content.length > 0);
    if (files.length === 0) return 'nothing to rot';
    const [node, { content }] = random.pick(files);
    const at = random.below(content.length);
    content[at] = (content[at] ?? 0) ^ 1;
    wants.push({ node, block: Math.floor(at / 65_536) });
  }
  session.atEnd = (number) =>
    way === 'lost'
      ? { type: 'hello', outcome: { type: 'go-on', resumed: false }, about: number }
      : { type: 'refused', sync: number, error: new AfterimageError('record-refused', way), wants };
  const before = session.atEnd;
  await bench.sync({ always: true }).catch(() => undefined);
  expect(session.atEnd).not.toBe(before);
  return `a sync that is ${way}`;
}

/** Names of files whose copy is not what they hold. */
function differing(bench: AgentBench, root: string): string[] {
  const { replica } = bench.session;
  const rootNode = replica.state.entries.get('1/root') ?? replica.state.entries.get('0/root') ?? 1;
  return readdirSync(root).filter((name) => {
    if (name === HIDDEN) return false;
    const node = replica.state.entries.get(`${rootNode}/${name}`);
    const live = readFileSync(join(root, name));
    return node === undefined || !replica.content(node).equals(live);
  });
}
