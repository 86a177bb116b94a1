/**
 * A sync that looks only at what was reported cuts the same point as one that looks at everything,
 * when all changes of names and all writes are reported (R17, R16).
 */
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { SetParts } from '../../../agent/pipeline.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { RandomTree, randomFrom } from '../support/random-tree.js';
import { differences } from '../support/tree-compare.js';

let bench: AgentBench;
afterEach(() => {
  bench.close();
});

interface Seen {
  readonly ino: bigint;
  readonly folder: boolean;
  readonly names: string;
  readonly stamp: string;
}

/** What a tree looks like, to tell what a step did to it. */
function snapshot(root: string): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  const visit = (path: string, name: string): void => {
    const { ino, ctimeNs, mode } = lstatSync(path, { bigint: true });
    const folder = (mode & 0o170000n) === 0o040000n;
    const names = folder ? readdirSync(path).sort() : [];
    seen.set(name, { ino, folder, names: names.join('/'), stamp: String(ctimeNs) });
    for (const child of names) visit(join(path, child), `${name}/${child}`);
  };
  visit(root, 'root');
  return seen;
}

/** Records what a file system's events would tell of one step, and no more. */
function report(before: Map<string, Seen>, after: Map<string, Seen>): void {
  const { journal } = bench.set;
  const placesBefore = new Map([...before].map(([path, { ino }]) => [ino, path]));
  const arrived: string[] = [];
  const isBelowArrived = (path: string): boolean =>
    arrived.some((folder) => path.startsWith(`${folder}/`));
  for (const [path, now] of after) {
    const was = before.get(path);
    if (isBelowArrived(path)) continue;
    if (was?.ino === now.ino) {
      // The times of a folder move with its entries, and no event tells of it.
      const own = !now.folder || was.names === now.names;
      if (own && was.stamp !== now.stamp) journal.record(Buffer.from(path));
    } else if (now.folder && placesBefore.has(now.ino)) {
      arrived.push(path);
      journal.record(Buffer.from(path), 'deep');
    } else {
      journal.record(Buffer.from(path));
    }
  }
  for (const path of before.keys()) if (!after.has(path)) journal.record(Buffer.from(path));
}

function step(tree: RandomTree): string {
  const before = snapshot(bench.root);
  const name = tree.step();
  report(before, snapshot(bench.root));
  return name;
}

const drained = { operation: 'change' as const, drain: () => Promise.resolve(true) };

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'targets: points are the tree when only what was reported is looked at, seed %i (R17)',
  async (seed) => {
    bench = openBench();
    const tree = new RandomTree(bench.root, seed);
    const random = randomFrom(seed + 77);
    for (let count = 0; count < 30; count += 1) tree.step();
    await bench.sync({ always: true });
    const steps: string[] = [];
    for (let round = 0; round < 14; round += 1) {
      for (let count = random(20); count >= 0; count -= 1) steps.push(step(tree));
      steps.push('-- sync');
      if (random(5) === 0) {
        bench.session.breakAfter = random(30);
        await bench.sync({ ...drained, always: true }).catch(() => undefined);
        bench.session.breakAfter = Infinity;
      }
      const result = await bench.sync({ ...drained, always: random(2) === 0 });
      expect(result).toMatchObject({ looked: 'targets' });
      const found = differences(bench.session.replica.state, { root: bench.root });
      expect(found, `seed ${seed}: ${steps.join(', ')}`).toEqual([]);
    }
    // what the targeted syncs left must not hide anything from a look at everything
    tree.step();
    await bench.sync({ always: true });
    expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  },
);

test('targets: nothing else is looked at', async () => {
  bench = openBench();
  for (const name of ['a', 'b']) {
    mkdirSync(join(bench.root, name));
    writeFileSync(join(bench.root, name, 'file'), 'old');
  }
  await bench.sync();
  for (const name of ['a', 'b']) writeFileSync(join(bench.root, name, 'file'), 'new');
  bench.set.journal.record(Buffer.from('root/a/file'));
  await bench.sync({ ...drained, scanAgeMs: 1234 });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([
    expect.stringContaining('b/file'),
    expect.stringContaining('content differs'),
  ]);
  const listing = differences(bench.session.replica.state, { root: bench.root });
  expect(listing.some((line) => line.includes('/a/'))).toBe(false);
  bench.set.journal.record(Buffer.from('root/b'), 'listing');
  await bench.sync(drained);
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('targets: a gap of the whole set, or a source that is not ordered any more, asks for a look at everything (R17)', async () => {
  bench = openBench();
  writeFileSync(join(bench.root, 'file'), 'old');
  await bench.sync();
  writeFileSync(join(bench.root, 'file'), 'new');
  await bench.sync({ operation: 'change', drain: () => Promise.resolve(false) });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  writeFileSync(join(bench.root, 'file'), 'newer');
  bench.set.journal.openGap({ reason: 'watcher', covers: Buffer.alloc(0) });
  const result = await bench.sync(drained);
  expect(result).toMatchObject({ looked: 'everything' });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  expect(bench.set.journal.gaps()).toEqual([]);
});

test('targets: a gap of a folder has all below it looked at, and is closed', async () => {
  bench = openBench();
  mkdirSync(join(bench.root, 'a', 'deep'), { recursive: true });
  writeFileSync(join(bench.root, 'a', 'deep', 'file'), 'old');
  await bench.sync();
  writeFileSync(join(bench.root, 'a', 'deep', 'file'), 'new');
  bench.set.journal.openGap({ reason: 'watcher', covers: Buffer.from('root/a') });
  expect(await bench.sync(drained)).toMatchObject({ looked: 'targets' });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  expect(bench.set.journal.gaps()).toEqual([]);
});

test('targets: a file that went where the look had been is met there, and its bytes are not sent again (R16)', async () => {
  bench = openBench();
  mkdirSync(join(bench.root, 'a'));
  mkdirSync(join(bench.root, 'b'));
  writeFileSync(join(bench.root, 'b', 'file'), Buffer.alloc(300_000, 7));
  await bench.sync();
  rmSync(join(bench.root, 'a'), { recursive: true });
  mkdirSync(join(bench.root, 'a'));
  renameSync(join(bench.root, 'b', 'file'), join(bench.root, 'a', 'file'));
  // the first drain tells half of it, the second the rest, as when it happens in between
  let drains = 0;
  const drain = (): Promise<boolean> => {
    drains += 1;
    const path = drains === 1 ? 'root/b/file' : 'root/a';
    bench.set.journal.record(Buffer.from(path), drains === 1 ? 'entry' : 'deep');
    return Promise.resolve(true);
  };
  const before = bench.session.sentBytes;
  await bench.sync({ operation: 'change', drain });
  expect(drains).toBe(2);
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  expect(bench.session.sentBytes - before).toBeLessThan(50_000);
});

/** Looks once live and once at a snapshot, between which `meanwhile` runs. */
function snapshotEngine(meanwhile: () => void): SetParts['engine'] {
  return {
    name: 'snapshot',
    async take({ look }) {
      await look({ held: false });
      meanwhile();
      const { posix, roots, clock } = bench.set;
      await look({ held: true, snapshot: { holds: 'clone', roots, posix, clock } });
      const taken = { engine: 'snapshot', consistency: 'filesystem', rounds: 2 } as const;
      const held = { heldMs: 0, imageMs: clock.now(), releasedMs: undefined };
      return { ...taken, ...held, applications: [], movedWhileHeld: [] };
    },
  };
}

test('targets: an image of one instant has all that happened before it, also what was reported since the sync began (R17)', async () => {
  bench = openBench();
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(join(bench.root, name));
    writeFileSync(join(bench.root, name, 'file'), 'old');
  }
  await bench.sync();
  const waiting: string[] = [];
  const meanwhile = (): void => {
    writeFileSync(join(bench.root, 'b', 'file'), 'before');
    writeFileSync(join(bench.root, 'a', 'file'), 'after');
    renameSync(join(bench.root, 'a', 'file'), join(bench.root, 'c', 'moved'));
    waiting.push('root/b/file', 'root/a/file', 'root/c/moved');
  };
  bench.set = { ...bench.set, engine: snapshotEngine(meanwhile) };
  writeFileSync(join(bench.root, 'a', 'file'), 'new');
  bench.set.journal.record(Buffer.from('root/a/file'));
  const drain = (): Promise<boolean> => {
    for (const path of waiting.splice(0)) bench.set.journal.record(Buffer.from(path));
    return Promise.resolve(true);
  };
  expect(await bench.sync({ ...drained, drain })).toMatchObject({ looked: 'targets' });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('targets: an image of one instant is looked at whole when a folder has moved since, as its paths are not those of now', async () => {
  bench = openBench();
  mkdirSync(join(bench.root, 'a'));
  mkdirSync(join(bench.root, 'b'));
  writeFileSync(join(bench.root, 'a', 'file'), 'old');
  await bench.sync();
  // What was written in a folder that moves afterwards is reported by the path of now.
  const meanwhile = (): void => {
    writeFileSync(join(bench.root, 'a', 'file'), 'new');
    bench.set.journal.record(Buffer.from('root/a'));
    bench.set.journal.record(Buffer.from('root/elsewhere/file'));
    bench.set.journal.record(Buffer.from('root/elsewhere'), 'deep');
  };
  bench.set = { ...bench.set, engine: snapshotEngine(meanwhile) };
  writeFileSync(join(bench.root, 'b', 'file'), 'new');
  bench.set.journal.record(Buffer.from('root/b/file'));
  await bench.sync(drained);
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('targets: a folder that could not be read is named to be looked at again, with all below it', async () => {
  const posix = loadPosix();
  let broken = false;
  bench = openBench({
    set: {
      posix: {
        ...posix,
        scanFolderPacked(path) {
          const isFolder = lstatSync(path, { bigint: true }).ino === ino;
          if (broken && isFolder)
            throw Object.assign(new Error('broken'), {
              code: 'EIO',
              errno: -5,
              syscall: 'scandir',
            });
          return posix.scanFolderPacked(path);
        },
      },
    },
  });
  await bench.sync();
  mkdirSync(join(bench.root, 'a', 'deep'), { recursive: true });
  writeFileSync(join(bench.root, 'a', 'deep', 'file'), 'content');
  const { ino } = lstatSync(join(bench.root, 'a'), { bigint: true });
  bench.set.journal.record(Buffer.from('root/a'));
  broken = true;
  const result = await bench.sync(drained);
  broken = false;
  const again = 'again' in result ? result.again : undefined;
  for (const { path, look } of again ?? []) bench.set.journal.record(path, look);
  await bench.sync(drained);
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});
