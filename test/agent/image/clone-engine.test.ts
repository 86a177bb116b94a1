/** Images by clone and by snapshot: the point is the instant of the hold, whatever comes after (R16). */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { systemError } from '../../../shared/posix/system-error.js';
import { createCloneEngine } from '../../../agent/image/clone-engine.js';
import { viewSnapshots } from '../../../agent/image/snapshot-view.js';
import { createRoundsEngine } from '../../../agent/image/rounds-engine.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import {
  cloningMissing,
  CloningMounts,
  clonesOpen,
  copyTree,
  openCloningBench,
  recipeOf,
  type CloningPlace,
} from '../support/cloning-mounts.js';
import { RandomTree } from '../support/random-tree.js';
import { differences } from '../support/tree-compare.js';

const missing = cloningMissing();
if (missing !== undefined) console.warn(`images by clone not tested: ${missing}`);
const cloning = test.skipIf(missing !== undefined);
const places: readonly CloningPlace[] = ['xfs', 'btrfs', 'btrfs subvolume'];
const KIB = 1024;
const MIB = 1024 * KIB;

const mounts = missing === undefined ? new CloningMounts() : undefined;
let benches: AgentBench[] = [];
afterEach(() => {
  for (const bench of benches) bench.close();
  benches = [];
});
afterAll(() => {
  mounts?.close();
});

function newRoot(place: CloningPlace): string {
  if (mounts === undefined) throw new Error('no file system to clone on');
  return mounts.newRoot(place);
}

function open(set: Parameters<typeof openCloningBench>[0]): ReturnType<typeof openCloningBench> {
  const bench = openCloningBench(set);
  benches.push(bench);
  return bench;
}

function engineOf(place: CloningPlace): string {
  return place === 'btrfs subvolume' ? 'snapshot' : 'clone';
}

/** What an application does to its files between the last look and the hold. */
function change(root: string): void {
  const at = (name: string): string => join(root, name);
  const fd = openSync(at('large'), 'r+');
  for (const page of [3, 40, 700]) writeSync(fd, randomBytes(4096), 0, 4096, page * 4096);
  closeSync(fd);
  appendFileSync(at('appended'), randomBytes(70 * KIB));
  writeFileSync(at('rewritten'), randomBytes(2 * MIB));
  writeFileSync(at('small'), 'small, and new');
  renameSync(at('renamed'), at('folder/renamed-there'));
  rmSync(at('deleted'));
  writeFileSync(at('new'), randomBytes(300 * KIB));
  linkSync(at('new'), at('folder/new-too'));
  linkSync(at('large'), at('large-too'));
  writeFileSync(at('replacement'), randomBytes(90 * KIB));
  renameSync(at('replacement'), at('replaced'));
  const sparse = openSync(at('sparse'), 'w');
  ftruncateSync(sparse, 8 * MIB);
  writeSync(sparse, randomBytes(4096), 0, 4096, 5 * MIB);
  closeSync(sparse);
  writeFileSync(at('empty'), '');
  chmodSync(at('shortened'), 0o600);
  const shortened = openSync(at('shortened'), 'r+');
  ftruncateSync(shortened, 100 * KIB + 17);
  closeSync(shortened);
  symlinkSync('large', at('link'));
  mkdirSync(at('made/deep'), { recursive: true });
  writeFileSync(at('made/deep/inside'), randomBytes(50 * KIB));
}

function fill(root: string): void {
  mkdirSync(join(root, 'folder'));
  for (const name of ['appended', 'rewritten', 'renamed', 'deleted', 'replaced', 'shortened']) {
    writeFileSync(join(root, name), randomBytes(200 * KIB));
  }
  writeFileSync(join(root, 'small'), 'small');
  writeFileSync(join(root, 'large'), randomBytes(4 * MIB));
}

/** What an application does as soon as it may. */
function spoil(root: string): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.includes('.afterimage')) continue;
    const fd = openSync(path, 'r+');
    writeSync(fd, 'spoilt', 0);
    writeSync(fd, 'spoilt', statSync(path).size + 10);
    closeSync(fd);
  }
  rmSync(join(root, 'folder'), { recursive: true, force: true });
}

cloning.each(places)(
  'clone: a point is the instant of the hold, though all is overwritten at its release, on %s',
  async (place) => {
    const root = newRoot(place);
    const expected = `${root}-expected`;
    let recipe = recipeOf({});
    const bench = open({ root, recipe: () => recipe });
    fill(root);
    await bench.sync({ always: true });
    recipe = recipeOf({
      held: () => {
        change(root);
        copyTree(root, expected);
      },
      released: () => {
        spoil(root);
      },
    });
    appendFileSync(join(root, 'appended'), 'so that there is something to hold for');
    await bench.sync();
    expect(differences(bench.session.replica.state, { root: expected })).toEqual([]);
    const { outcome } = bench.session.replica;
    expect(outcome).toMatchObject({ engine: engineOf(place), consistency: 'application' });
    expect(outcome?.movedWhileHeld).toEqual([]);
    expect(clonesOpen(root)).toEqual([]);
    recipe = recipeOf({});
    await bench.sync({ always: true });
    await bench.engine.close?.();
    expect(differences(bench.session.replica.state, { root })).toEqual([]);
  },
);

cloning.each(places)(
  'clone: whatever happens before holds, points are the holds, on %s',
  async (place) => {
    const root = newRoot(place);
    const seed = Number(process.env['AFTERIMAGE_SEED'] ?? Date.now() % 100_000);
    const tree = new RandomTree(root, seed, 200_000);
    let expected = '';
    let round = 0;
    const steps: string[] = [];
    const recipe = recipeOf({
      held: () => {
        for (let step = 0; step < 25; step += 1) steps.push(tree.step());
        expected = copyTree(root, `${root}-expected-${round++}`);
      },
      released: () => {
        for (let step = 0; step < 10; step += 1) tree.step();
      },
    });
    // Not in the root, where the tree's operations would meet it.
    const setFolder = mounts?.newFolder(place) ?? '';
    const bench = open({ root, recipe: () => recipe, descriptorsMax: 3, setFolder });
    for (let sync = 0; sync < 6; sync += 1) {
      await bench.sync({ always: true });
      const found = differences(bench.session.replica.state, { root: expected });
      expect(found, `seed ${seed}, sync ${sync}: ${steps.join(' ')}`).toEqual([]);
    }
    await bench.engine.close?.();
  },
);

cloning(
  'snapshot: its files are known as the live ones, and subvolumes below are none of it',
  async () => {
    const root = newRoot('btrfs subvolume');
    fill(root);
    execFileSync('btrfs', ['-q', 'subvolume', 'create', join(root, 'nested')]);
    writeFileSync(join(root, 'nested', 'file'), 'of another file system');
    const recipe = recipeOf({
      held: () => {
        appendFileSync(join(root, 'appended'), 'more');
      },
    });
    const bench = open({ root, recipe: () => recipe });
    await bench.sync({ always: true });
    const { entries } = bench.session.replica.state;
    expect([...entries.keys()].filter((entry) => entry.endsWith('/nested'))).toEqual([]);
    const { state } = bench.set;
    const identity = state.rootIdentity(Buffer.from('root')) ?? Buffer.alloc(0);
    expect(state.devOf(identity)).toBe(statSync(root).dev);
    const read = bench.session.replica.outcome?.counts.bytesRead ?? 0;
    await bench.sync({ always: true });
    // The file that was appended to, twice, and nothing that only looked different in the snapshot.
    expect(bench.session.replica.outcome?.counts.bytesRead).toBeLessThan(read / 5);
    await bench.engine.close?.();
  },
);

test('snapshot: a subvolume in one is another file system, whatever device it says', () => {
  const posix = loadPosix();
  const status = posix.lstat(Buffer.from('/'));
  const like = (ino: bigint) =>
    viewSnapshots({ ...posix, fstat: () => ({ ...status, ino, dev: 7 }) }, new Map([[7, 5]]));
  expect(like(257n).fstat(0).dev).toBe(5);
  expect(like(2n).fstat(0).dev).toBe(0);
});

cloning.each(['xfs', 'btrfs'] as const)(
  'clone: beyond the descriptors clones have names, which no point shows and no end leaves, on %s',
  async (place) => {
    const root = newRoot(place);
    const { mtimeNs } = statSync(root, { bigint: true });
    const names = Array.from({ length: 12 }, (_, at) => `file-${at}`);
    const write = (): void => {
      for (const name of names) writeFileSync(join(root, name), randomBytes(100 * KIB));
    };
    write();
    const before = statSync(root, { bigint: true }).mtimeNs;
    expect(before).not.toBe(mtimeNs);
    let named: string[] = [];
    const recipe = recipeOf({
      held: write,
      released: () => {
        const [own] = readdirSync(join(root, '.afterimage'));
        named = readdirSync(join(root, '.afterimage', own ?? ''));
        write();
      },
    });
    const bench = open({ root, recipe: () => recipe, descriptorsMax: 2 });
    await bench.sync({ always: true });
    expect(named.length).toBe(10);
    expect(statSync(join(root, '.afterimage')).mode & 0o777).toBe(0o700);
    const [own = ''] = readdirSync(join(root, '.afterimage'));
    expect(readdirSync(join(root, '.afterimage', own))).toEqual([]);
    const held = [...bench.session.replica.state.entries.keys()].filter((entry) =>
      entry.endsWith('/.afterimage'),
    );
    expect(held).toEqual([]);
    await bench.engine.close?.();
    expect(readdirSync(root).includes('.afterimage')).toBe(false);
    expect(statSync(root, { bigint: true }).mtimeNs).toBe(before);
  },
);

cloning('clone: what cannot be cloned is read while held, and the point is as good', async () => {
  const root = newRoot('xfs');
  fill(root);
  const expected = `${root}-expected`;
  const posix = loadPosix();
  let clones = 0;
  const failing = {
    ...posix,
    clone: (from: number, to: number): Promise<void> => {
      clones += 1;
      return clones % 2 === 1
        ? Promise.reject(systemError('ENOSPC', 'ficlone'))
        : posix.clone(from, to);
    },
  };
  const recipe = recipeOf({
    held: () => {
      change(root);
      copyTree(root, expected);
    },
    released: () => {
      spoil(root);
    },
  });
  const bench = open({ root, recipe: () => recipe, posix: failing });
  await bench.sync({ always: true });
  expect(clones).toBeGreaterThan(4);
  expect(differences(bench.session.replica.state, { root: expected })).toEqual([]);
  expect(bench.session.replica.outcome).toMatchObject({ consistency: 'application' });
});

cloning(
  'clone: a file that moves while it is cloned makes a crash point that names it',
  async () => {
    const root = newRoot('xfs');
    fill(root);
    const posix = loadPosix();
    const moving = {
      ...posix,
      clone: async (from: number, to: number): Promise<void> => {
        appendFileSync(join(root, 'appended'), 'a hold that leaks');
        await posix.clone(from, to);
      },
    };
    const recipe = recipeOf({
      held: () => {
        change(root);
      },
    });
    const bench = open({ root, recipe: () => recipe, posix: moving });
    await bench.sync({ always: true });
    const { outcome } = bench.session.replica;
    expect(outcome).toMatchObject({ consistency: 'crash', movedWhileHeld: ['root/appended'] });
    await bench.sync({ always: true });
  },
);

cloning('clone: a sync that is stopped while clones wait leaves none open', async () => {
  const root = newRoot('xfs');
  fill(root);
  const stop = new AbortController();
  let recipe = recipeOf({
    held: () => {
      change(root);
    },
    released: () => {
      expect(clonesOpen(root).length).toBeGreaterThan(3);
      stop.abort(new Error('stopped by the test'));
    },
  });
  const bench = open({ root, recipe: () => recipe });
  await expect(bench.sync({ always: true, signal: stop.signal })).rejects.toThrow();
  expect(clonesOpen(root)).toEqual([]);
  expect(bench.session.replica.point).toBe(0);
  recipe = recipeOf({});
  await bench.sync({ always: true });
  expect(differences(bench.session.replica.state, { root })).toEqual([]);
});

test('clone: where nothing can be cloned, files are read while held and the point says so', async () => {
  let root = '';
  const recipe = recipeOf({
    held: () => {
      writeFileSync(join(root, 'file'), 'while held');
    },
    released: () => {
      writeFileSync(join(root, 'file'), 'released');
    },
  });
  const bench = openBench({ set: { recipe: () => recipe } });
  root = bench.root;
  benches.push(bench);
  const { posix, log, roots } = bench.set;
  const engine = createCloneEngine({ roots, setFolder: bench.folder, posix, log });
  bench.set = { ...bench.set, engine };
  await bench.sync({ always: true });
  expect(bench.session.replica.outcome).toMatchObject({
    engine: 'rounds',
    consistency: 'application',
  });
  const contents = [...bench.session.replica.state.nodes.values()].map(({ content }) =>
    content.toString(),
  );
  expect(contents).toContain('while held');
});

cloning(
  'clone: the hold does not grow with the size of a changed file, as reading it does',
  async () => {
    const heldMs = async (bytes: number, engine?: ReturnType<typeof createRoundsEngine>) => {
      const root = newRoot('xfs');
      const file = join(root, 'file');
      writeFileSync(file, Buffer.alloc(bytes, 'a'));
      const recipe = recipeOf({
        held: () => {
          const fd = openSync(file, 'r+');
          writeSync(fd, 'changed', 12_345);
          closeSync(fd);
        },
      });
      const bench = open({
        root,
        recipe: () => recipe,
        ...(engine === undefined ? {} : { engine }),
      });
      await bench.sync({ always: true });
      return bench.session.replica.outcome?.heldMs ?? Infinity;
    };
    const small = await heldMs(MIB);
    const large = await heldMs(256 * MIB);
    const read = await heldMs(256 * MIB, createRoundsEngine());
    expect(large).toBeLessThan(read / 4);
    expect(large).toBeLessThan(small * 5 + 20);
  },
);
