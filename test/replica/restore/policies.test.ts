/**
 * What restores do with what stands there already (R22): each policy of conflicts with each of orphans,
 * over random trees. Nothing outside the asked paths changes; what a policy keeps is kept to the byte;
 * a second run changes nothing; a plan says what is done.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ViewSource } from '../../../replica/restore/view-source.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { parsePathText } from '../../../shared/path-text.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import {
  conflictPolicy,
  type ConflictWord,
  conflictWords,
  orphanPolicy,
  type OrphanWord,
  orphanWords,
} from '../../../shared/restore/policies.js';
import type { RestoreReport, RestoreRequest } from '../../../shared/restore/request.js';
import { type RestoreMeans, restorePoint } from '../../../shared/restore/restore.js';
import {
  describeDisk,
  describeTree,
  type Described,
  type Description,
  removeFolder,
} from '../support/disk-tree.js';
import { MemorySet } from '../support/memory-set.js';
import { scramble, seededRandom } from '../support/random-tree.js';

const hash = createHashCore();
const posix = loadPosix();
const SEEDS = 6;
const label = 'job-7';
/** Random trees have times below a second after the epoch; this is in the middle. */
const THAN_MS = 500;

let folder: string;
let target: string;
let set: MemorySet;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-policies-'));
  target = join(folder, 'target');
  set = new MemorySet('shop', hash);
});

afterEach(() => {
  removeFolder(posix, folder);
});

async function restore(
  point: number,
  request: Partial<RestoreRequest> = {},
  means: Partial<RestoreMeans> = {},
): Promise<RestoreReport> {
  const view = set.open(point);
  try {
    const whole: RestoreRequest = {
      target: { type: 'folder', folder: Buffer.from(target) },
      mode: 'in-place',
      orphans: { type: 'leave' },
      effect: 'write',
      paths: [],
      label,
      ...request,
    };
    const { signal } = new AbortController();
    return await restorePoint(new ViewSource(view, hash), whole, { posix, hash, signal, ...means });
  } finally {
    view.close();
  }
}

interface Scene {
  readonly before: Description;
  readonly after: Description;
  /** What the point has. */
  readonly wanted: Description;
  readonly asked: (path: string) => boolean;
  readonly conflict: ConflictWord;
  readonly orphans: OrphanWord;
}

const isFolder = (entry: Described | undefined): boolean => entry?.kind === 'folder';
/** An entry but for which other names its inode has, and a folder's time. */
function self(entry: Described | undefined): unknown {
  if (entry === undefined) return undefined;
  return { ...entry, same: '', ...(isFolder(entry) ? { mtimeNs: '' } : {}) };
}
const matter = ({ kind, content, target: to }: Described): string => `${kind} ${content} ${to}`;
const renamed = /\.before-job-7(-\d+)?(\/|$)/;

/** What is wrong with a scene, a line each. */
function faults(scene: Scene): string[] {
  return [
    ...outside(scene),
    ...keptOnes(scene),
    ...lostMatter(scene),
    ...leftOrphans(scene),
    ...notRestored(scene),
  ];
}

function outside({ before, after, asked }: Scene): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((path) => !asked(path) && path !== 'app/aside' && !path.startsWith('app/aside/'))
    .filter((path) => JSON.stringify(self(before[path])) !== JSON.stringify(self(after[path])))
    .map((path) => `${path} was not asked for and changed`);
}

function isKept({ before, conflict }: Scene, path: string): boolean {
  if (conflict === 'keep-existing') return true;
  return conflict === 'keep-newer' && BigInt(before[path]?.mtimeNs ?? 0) > THAN_MS * 1_000_000;
}

function keptOnes(scene: Scene): string[] {
  const { before, after, wanted, asked } = scene;
  return Object.keys(before)
    .filter((path) => asked(path) && path in wanted && !isFolder(before[path]))
    .filter((path) => isKept(scene, path))
    .filter((path) => JSON.stringify(self(before[path])) !== JSON.stringify(self(after[path])))
    .map((path) => `${path} was to be kept and changed`);
}

/** Where nothing may go, each content that stood there stands somewhere. */
function lostMatter({ before, after, conflict, orphans }: Scene): string[] {
  if (orphans === 'delete' || conflict === 'overwrite' || conflict === 'keep-newer') return [];
  const there = new Set(Object.values(after).map(matter));
  return Object.entries(before)
    .filter(([, entry]) => !isFolder(entry) && !there.has(matter(entry)))
    .map(([path]) => `what ${path} held is lost`);
}

function leftOrphans(scene: Scene): string[] {
  const { before, after, wanted, asked, orphans } = scene;
  if (orphans === 'leave') return [];
  const keepsAll = (path: string): boolean =>
    Object.keys(before).some(
      (top) => path.startsWith(`${top}/`) && top in wanted && !isFolder(wanted[top]),
    );
  return Object.keys(after)
    .filter((path) => asked(path) && !(path in wanted) && !renamed.test(path))
    .filter((path) => path !== 'app/aside' && !path.startsWith('app/aside/'))
    .filter((path) => !keepsAll(path))
    .map((path) => `${path} is not in the point and stayed`);
}

function notRestored(scene: Scene): string[] {
  const { before, after, wanted, asked, conflict } = scene;
  if (conflict === 'keep-existing' || conflict === 'keep-newer') {
    return Object.keys(wanted)
      .filter((path) => asked(path) && !(path in before) && !(path in after))
      .filter(
        (path) =>
          !Object.keys(after).some((top) => path.startsWith(`${top}/`) && !isFolder(after[top])),
      )
      .map((path) => `${path} was missing and did not come`);
  }
  return Object.keys(wanted)
    .filter(
      (path) =>
        asked(path) && JSON.stringify(self(wanted[path])) !== JSON.stringify(self(after[path])),
    )
    .map((path) => `${path} is not as in the point`);
}

const cases = conflictWords.flatMap((conflict) =>
  orphanWords.map((orphans): [ConflictWord, OrphanWord] => [conflict, orphans]),
);

describe('policies over random trees', () => {
  it.each(cases)('%s, orphans %s: keep what they say, to the byte', async (conflict, orphans) => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const random = seededRandom(seed * 101);
      set = new MemorySet('shop', hash);
      target = join(folder, `target-${seed}`);
      const { point } = set.cut((tree) => {
        scramble(tree, random);
      });
      const later = set.cut((tree) => {
        scramble(tree, random);
      });
      await restore(later.point, { mode: 'fresh' });
      const before = describeDisk(posix, target);
      const wanted = describeTree(set.tree(point));
      const paths = Object.keys(wanted);
      const only = seed % 2 === 0 ? undefined : paths[random(paths.length)];
      const request = {
        conflict: conflictPolicy(conflict, { ms: THAN_MS }),
        orphans: orphanPolicy(orphans, Buffer.from('aside')),
        paths: only === undefined ? [] : [parsePathText(only)],
      };
      const asked = (path: string): boolean =>
        only === undefined || path === only || path.startsWith(`${only}/`) || renamedOf(only, path);
      const plan = await restore(point, { ...request, effect: 'plan' });
      expect(describeDisk(posix, target), `seed ${seed}: a plan writes nothing`).toEqual(before);
      const done = await restore(point, request);
      const after = describeDisk(posix, target);
      const blocked = done.problems.filter(({ error }) => error.code === 'target-not-empty');
      expect(done.problems.length, `seed ${seed}`).toBe(blocked.length);
      const scene = { before, after, wanted, asked, conflict, orphans };
      if (blocked.length === 0) expect(faults(scene), `seed ${seed}`).toEqual([]);
      else expect(outside(scene), `seed ${seed}`).toEqual([]);
      expect(done.actions, `seed ${seed}: what was planned was done`).toEqual(plan.actions);
      const again = await restore(point, request);
      expect(describeDisk(posix, target), `seed ${seed}: twice is once`).toEqual(after);
      if (blocked.length === 0) expect(again.bytesWritten).toBe(0);
    }
  });

  function renamedOf(only: string, path: string): boolean {
    return path.startsWith(`${only}.before-${label}`);
  }
});

describe('policies one by one', () => {
  const inApp = (path: string): string => join(target, 'app', path);
  const read = (path: string): string => readFileSync(inApp(path), 'utf8');

  async function scene(): Promise<number> {
    const { point } = set.cut((tree) => {
      tree.folder('app').file('app/conf', 'good').folder('app/sub').file('app/sub/kept', 'same');
    });
    await restore(point, { mode: 'fresh' });
    writeFileSync(inApp('conf'), 'bad');
    mkdirSync(inApp('sub/new/deep'), { recursive: true });
    writeFileSync(inApp('sub/new/deep/file'), 'new');
    return point;
  }

  it('move-aside: what the point lacks keeps its path below the folder, and is not moved again', async () => {
    const point = await scene();
    const orphans = orphanPolicy('move-aside', Buffer.from('aside'));
    const { actions } = await restore(point, { orphans });
    expect(actions).toMatchObject({ move: 1, rewrite: 1, delete: 0 });
    expect(read('aside/sub/new/deep/file')).toBe('new');
    mkdirSync(inApp('sub/new'));
    writeFileSync(inApp('sub/new/second'), 'second');
    await restore(point, { orphans });
    expect(read('aside/sub/new/deep/file')).toBe('new');
    expect(read('aside/sub/new.before-job-7/second')).toBe('second');
    expect(readdirSync(inApp('sub'))).toEqual(['kept']);
  });

  it('what the set leaves out: stays where the rest of its folder is deleted, or moved aside', async () => {
    for (const word of ['delete', 'move-aside'] as const) {
      removeFolder(posix, folder);
      mkdirSync(folder);
      const point = await scene();
      mkdirSync(inApp('sub/new/cache'));
      writeFileSync(inApp('sub/new/cache/entry'), 'cached');
      const spares = (path: Buffer): boolean => path.toString() === 'app/sub/new/cache';
      await restore(point, { orphans: orphanPolicy(word, Buffer.from('aside')) }, { spares });
      expect(read('sub/new/cache/entry')).toBe('cached');
      expect(readdirSync(inApp('sub/new'))).toEqual(['cache']);
    }
  });

  it('rename: the file takes its place when it is whole, what was there has another name, twice over', async () => {
    const point = await scene();
    const conflict = { type: 'rename' } as const;
    await restore(point, { conflict });
    expect([read('conf'), read('conf.before-job-7')]).toEqual(['good', 'bad']);
    writeFileSync(inApp('conf'), 'worse');
    await restore(point, { conflict });
    expect([read('conf'), read('conf.before-job-7-2')]).toEqual(['good', 'worse']);
  });

  it('a part that a run left when it died: goes, under each policy that makes such parts', async () => {
    for (const conflict of conflictWords) {
      removeFolder(posix, folder);
      mkdirSync(folder);
      const point = await scene();
      writeFileSync(inApp(`.afterimage-part-${label}`), 'half');
      await restore(point, { conflict: conflictPolicy(conflict, { ms: 0 }) });
      expect(readdirSync(inApp('.'))).not.toContain(`.afterimage-part-${label}`);
    }
  });

  it('a link in the place of a folder: nothing is written, deleted or moved where it leads (R22, R23)', async () => {
    const elsewhere = join(folder, 'elsewhere');
    for (const [conflict, orphans] of cases) {
      removeFolder(posix, folder);
      mkdirSync(elsewhere, { recursive: true });
      writeFileSync(join(elsewhere, 'victim'), 'untouched');
      const point = await scene();
      removeFolder(posix, inApp('sub'));
      symlinkSync(elsewhere, inApp('sub'));
      symlinkSync(elsewhere, inApp('aside'));
      writeFileSync(inApp('stray'), 'what the point lacks');
      await restore(point, {
        conflict: conflictPolicy(conflict, { ms: Date.now() + 60_000 }),
        orphans: orphanPolicy(orphans, Buffer.from('aside')),
      });
      expect(readdirSync(elsewhere), `${conflict} ${orphans}`).toEqual(['victim']);
      expect(readFileSync(join(elsewhere, 'victim'), 'utf8')).toBe('untouched');
    }
  });
});
