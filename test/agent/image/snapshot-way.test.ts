/** Snapshots with nothing held: such a point says `filesystem`, so it must be of one instant (R16). */
import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { systemError } from '../../../shared/posix/system-error.js';
import type { LookOptions } from '../../../agent/image/image-engine.js';
import type { QuiesceRecipe } from '../../../agent/quiesce/recipe.js';
import {
  cloningMissing,
  CloningMounts,
  copyTree,
  openCloningBench,
  type CloningBench,
} from '../support/cloning-mounts.js';
import { differences } from '../support/tree-compare.js';

const missing = cloningMissing();
if (missing !== undefined) console.warn(`snapshots with nothing held not tested: ${missing}`);
const cloning = test.skipIf(missing !== undefined);
const mounts = missing === undefined ? new CloningMounts() : undefined;
let bench: CloningBench | undefined;
afterEach(async () => {
  await bench?.engine.close?.();
  bench?.close();
  bench = undefined;
});
afterAll(() => {
  mounts?.close();
});

const none: QuiesceRecipe = {
  name: 'none',
  consistency: 'crash',
  hold: () => Promise.reject(new Error('not held')),
};

function newRoot(): string {
  if (mounts === undefined) throw new Error('no file system to clone on');
  const root = mounts.newRoot('btrfs subvolume');
  mkdirSync(join(root, 'folder'));
  writeFileSync(join(root, 'last'), '1');
  return root;
}

/** Does `change` after the first look of each image; tells what was looked at. */
function changeBetweenLooks(on: CloningBench, change: () => void): LookOptions[] {
  const looks: LookOptions[] = [];
  const { engine } = on;
  on.set = {
    ...on.set,
    engine: {
      name: engine.name,
      take: (request) =>
        engine.take({
          ...request,
          look: async (options) => {
            const found = await request.look(options);
            looks.push(options);
            if (looks.length === 1) change();
            return found;
          },
        }),
    },
  };
  return looks;
}

cloning('snapshot: has what was reported only after the sync began', async () => {
  const root = newRoot();
  bench = openCloningBench({ root, recipe: () => none });
  await bench.sync({ always: true });
  const { journal } = bench.set;
  const write = (path: string, content: string): void => {
    writeFileSync(join(root, path), content);
    journal.record(Buffer.from(`root/${path}`));
  };
  write('last', '2');
  // `last` is written after the other, so no instant has it without the other.
  changeBetweenLooks(bench, () => {
    write('folder/first', '3');
    write('last', '3');
  });
  await bench.sync({ drain: () => Promise.resolve(true) });
  const { replica } = bench.session;
  expect(replica.outcome).toMatchObject({ consistency: 'filesystem', engine: 'snapshot' });
  expect(differences(replica.state, { root: copyTree(root, `${root}-copy`) })).toEqual([]);
});

cloning('snapshot: where none can be made, nobody looks as if something were held', async () => {
  const root = newRoot();
  const posix = {
    ...loadPosix(),
    createSnapshot: () => Promise.reject(systemError('EPERM', 'snapshot')),
  };
  bench = openCloningBench({ root, recipe: () => none, posix });
  const looks = changeBetweenLooks(bench, () => undefined);
  await bench.sync({ always: true });
  expect(bench.session.replica.outcome).toMatchObject({ consistency: 'crash', engine: 'rounds' });
  expect(looks.map(({ held }) => held)).toEqual([false]);
});

cloning('snapshot: nothing of the root stays open, so that it can be unmounted', async () => {
  const root = newRoot();
  bench = openCloningBench({ root, recipe: () => none });
  await bench.sync({ always: true });
  expect(bench.session.replica.outcome?.engine).toBe('snapshot');
  const open = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // closed since it was listed
    }
  });
  expect(open.filter((path) => path.startsWith(root))).toEqual([]);
});
