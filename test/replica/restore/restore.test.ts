import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type {
  RestoreAction,
  RestoreReport,
  RestoreRequest,
} from '../../../shared/restore/request.js';
import { restorePoint } from '../../../shared/restore/restore.js';
import { ViewSource } from '../../../replica/restore/view-source.js';
import { describeDisk, describeTree, removeFolder } from '../support/disk-tree.js';
import { scramble, seededRandom } from '../support/random-tree.js';
import { MemorySet } from '../support/memory-set.js';

const hash = createHashCore();
const posix = loadPosix();
const root = process.geteuid?.() === 0;

let folder: string;
let target: string;
let set: MemorySet;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-restore-'));
  target = join(folder, 'target');
  set = new MemorySet('shop', hash);
});

afterEach(() => {
  removeFolder(posix, folder);
});

async function restore(
  point: number,
  request: Partial<RestoreRequest> = {},
  means: {
    readonly signal?: AbortSignal;
    readonly onAction?: (action: RestoreAction) => void;
  } = {},
): Promise<RestoreReport> {
  const view = set.open(point);
  try {
    return await restorePoint(
      new ViewSource(view, hash),
      {
        target: { type: 'folder', folder: Buffer.from(target) },
        mode: 'fresh',
        orphans: { type: 'leave' },
        effect: 'write',
        paths: [],
        ...request,
      },
      {
        posix,
        hash,
        signal: means.signal ?? new AbortController().signal,
        listener: means.onAction === undefined ? {} : { onAction: means.onAction },
      },
    );
  } finally {
    view.close();
  }
}

const block = (fill: number): Buffer => Buffer.alloc(BLOCK_BYTES, fill);

describe('restore into a new folder', () => {
  it('promise 9: everything comes back as it was', async ({ skip }) => {
    if (!root || !posix.native)
      skip('owners, devices and attributes take root and the native part');
    const acl = Buffer.from(
      '0200000001000600ffffffff020007000a00000004000400ffffffff10000700ffffffff20000400ffffffff',
      'hex',
    );
    const { point } = set.cut((tree) => {
      tree
        .folder('app', { mode: 0o2775, uid: 12, gid: 34 })
        .folder('app/empty', { mode: 0o700 })
        .file('app/setuid', 'x', { mode: 0o4755, uid: 12, gid: 34 })
        .file('app/readonly', 'y', { mode: 0o400 })
        .file('app/none', '')
        .file('app/three', Buffer.concat([block(1), block(2), Buffer.from('end')]))
        .file('app/bytes \xff\\\n', 'name is bytes', { mtimeNs: -5n })
        .file('app/acl', 'z', {
          mode: 0o674,
          xattrs: [
            { name: Buffer.from('system.posix_acl_access'), value: acl },
            { name: Buffer.from('user.note'), value: Buffer.from([0, 1, 255]) },
          ],
        })
        .symlink('app/link', '../else\xff/where', { uid: 12, gid: 34 })
        .special('app/fifo', 'fifo', { mode: 0o640 })
        .special('app/socket', 'socket', { mode: 0o600 })
        .special('app/null', 'char', { mode: 0o666, rdev: 0x103 })
        .special('app/loop', 'block', { mode: 0o660, rdev: 0x700 })
        .folder('app/sub', { mode: 0o500 })
        .file('app/sub/first', 'several names', { mtimeNs: 1_900_000_000_000_000_001n })
        .link('app/another', 'app/sub/first')
        .link('app/sub/linked symlink', 'app/link')
        .file('single', 'a root that is a file');
    });
    const report = await restore(point);
    expect(report.problems).toEqual([]);
    expect(report.notes).toEqual([]);
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
  });

  it('zero pages: are holes in the restored file', async () => {
    const content = Buffer.alloc(200 * BLOCK_BYTES + 5);
    content.fill(1, 3 * BLOCK_BYTES + 4096, 3 * BLOCK_BYTES + 8192);
    const { point } = set.cut((tree) => tree.folder('app').file('app/sparse', content));
    const report = await restore(point);
    const path = join(target, 'app/sparse');
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(report.bytesWritten).toBe(4096);
    expect(statSync(path).blocks * 512).toBeLessThanOrEqual(64 * 1024);
  });

  it('paths longer than the system takes at once: come back, and are restored again in place', async () => {
    const name = 'd'.repeat(200);
    const { point } = set.cut((tree) => {
      let path = 'app';
      tree.folder(path);
      for (let depth = 0; depth < 90; depth += 1) {
        path += `/${name}`;
        tree.folder(path).file(`${path}/f`, `depth ${depth}`);
      }
      tree.link('app/far', `${path}/f`);
    });
    await restore(point);
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
    const report = await restore(point, { mode: 'in-place', orphans: { type: 'delete' } });
    expect(report.actions).toMatchObject({ create: 0, rewrite: 0, replace: 0, delete: 0, link: 0 });
  });

  it('a folder that is not empty: is refused before anything is written', async () => {
    const { point } = set.cut((tree) => tree.folder('app'));
    mkdirSync(target);
    writeFileSync(join(target, 'mine'), '');
    await expect(restore(point)).rejects.toMatchObject({ code: 'target-not-empty' });
    expect(readdirSync(target)).toEqual(['mine']);
  });

  it('a damaged block: its file is left out and reported, the others come back', async () => {
    const { point } = set.cut((tree) =>
      tree
        .folder('app')
        .file('app/a', block(1))
        .file('app/b', Buffer.concat([block(1), block(2), block(3)]))
        .file('app/c', block(3)),
    );
    set.damage(set.tree(point).node('app/b'), 1);
    const report = await restore(point);
    expect(readdirSync(join(target, 'app'))).toEqual(['a', 'c']);
    expect(report.damaged).toBe(true);
    expect(report.problems).toMatchObject([
      { error: { code: 'damaged', facts: { path: 'app/b', block: 1 } } },
    ]);
  });

  it('paths: only they and what leads to them come back', async () => {
    const { point } = set.cut((tree) =>
      tree
        .folder('app', { mode: 0o711 })
        .folder('app/one', { mode: 0o750 })
        .file('app/one/x', '1')
        .file('app/one/y', '2')
        .folder('app/two')
        .file('app/two/z', '3')
        .folder('other')
        .file('other/o', '4'),
    );
    await restore(point, { paths: [Buffer.from('app/one/y'), Buffer.from('app/two')] });
    const whole = describeTree(set.tree(point));
    const expected = Object.fromEntries(
      ['app', 'app/one', 'app/one/y', 'app/two', 'app/two/z'].map((path) => [path, whole[path]]),
    );
    expect(describeDisk(posix, target)).toEqual(expected);
    await expect(
      restore(point, { mode: 'in-place', paths: [Buffer.from('app/gone')] }),
    ).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('restore in place', () => {
  it('a file of which one page differs: only that page is written', async () => {
    const content = Buffer.concat([block(1), block(2), block(3)]);
    const { point } = set.cut((tree) => tree.folder('app').file('app/db', content));
    await restore(point);
    const path = join(target, 'app/db');
    const changed = Buffer.from(content);
    changed.fill(9, BLOCK_BYTES + 4096, BLOCK_BYTES + 4100);
    writeFileSync(path, changed);
    const { ino } = statSync(path);
    const report = await restore(point, { mode: 'in-place' });
    expect(report.bytesWritten).toBe(4096);
    expect(statSync(path).ino).toBe(ino);
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
  });

  it('a change that kept size and time: is found and undone', async () => {
    const { point } = set.cut((tree) => tree.folder('app').file('app/f', 'good'));
    await restore(point);
    const path = Buffer.from(join(target, 'app/f'));
    const { mtimeNs } = posix.lstat(path);
    writeFileSync(path, 'evil');
    posix.setMtime(path, mtimeNs);
    const report = await restore(point, { mode: 'in-place' });
    expect(report.actions.rewrite).toBe(1);
    expect(readFileSync(path, 'utf8')).toBe('good');
  });

  it('a symbolic link where the point has a folder: is replaced, what it leads to is not touched', async () => {
    const { point } = set.cut((tree) =>
      tree.folder('app').folder('app/sub').file('app/sub/f', 'x'),
    );
    const outside = join(folder, 'outside');
    mkdirSync(join(target, 'app'), { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'f'), 'precious');
    symlinkSync(outside, join(target, 'app/sub'));
    await restore(point, { mode: 'in-place', orphans: { type: 'delete' } });
    expect(readFileSync(join(outside, 'f'), 'utf8')).toBe('precious');
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
  });

  it('a file that has another name outside: is replaced, the other keeps its content', async () => {
    const { point } = set.cut((tree) => tree.folder('app').file('app/f', 'then'));
    mkdirSync(join(target, 'app'), { recursive: true });
    const outside = join(folder, 'outside');
    writeFileSync(outside, 'now!');
    linkSync(outside, join(target, 'app/f'));
    const report = await restore(point, { mode: 'in-place' });
    expect(report.actions.replace).toBe(1);
    expect(readFileSync(outside, 'utf8')).toBe('now!');
    expect(readFileSync(join(target, 'app/f'), 'utf8')).toBe('then');
  });

  it('what the point lacks: stays without --delete, and goes with it, but never beside the roots', async () => {
    const { point } = set.cut((tree) => tree.folder('app').folder('app/sub').file('app/f', 'x'));
    await restore(point);
    mkdirSync(join(target, 'app/sub/extra/deep'), { recursive: true });
    writeFileSync(join(target, 'app/sub/extra/deep/file'), '');
    writeFileSync(join(target, 'beside'), '');
    const left = await restore(point, { mode: 'in-place' });
    expect(left.actions.delete).toBe(0);
    expect(readdirSync(join(target, 'app/sub'))).toEqual(['extra']);
    const deleted = await restore(point, { mode: 'in-place', orphans: { type: 'delete' } });
    expect(deleted.actions.delete).toBe(1);
    expect(readdirSync(join(target, 'app/sub'))).toEqual([]);
    expect(readdirSync(target)).toEqual(['app', 'beside']);
  });

  it('a folder with contents where the point has a file: is a problem without --delete', async () => {
    const { point } = set.cut((tree) => tree.folder('app').file('app/f', 'x').file('app/g', 'y'));
    mkdirSync(join(target, 'app/f/mine'), { recursive: true });
    const report = await restore(point, { mode: 'in-place' });
    expect(report.problems).toMatchObject([{ error: { code: 'target-not-empty' } }]);
    expect(readdirSync(join(target, 'app'))).toEqual(['f', 'g']);
    await restore(point, { mode: 'in-place', orphans: { type: 'delete' } });
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
  });

  it('the original roots: are restored where they were, their missing parents made', async () => {
    const { point } = set.cut((tree) => tree.folder('app').file('app/f', 'x'));
    const place = join(folder, 'gone/srv/application');
    await restore(point, {
      mode: 'in-place',
      target: { type: 'roots', roots: new Map([['app', Buffer.from(place)]]) },
    });
    expect(readFileSync(join(place, 'f'), 'utf8')).toBe('x');
  });

  it('planning only: says what writing then does, and writes nothing', async () => {
    const { point } = set.cut((tree) =>
      tree
        .folder('app')
        .file('app/same', 'same')
        .file('app/changed', 'changed')
        .file('app/touched', 'touched')
        .file('app/new', 'new')
        .symlink('app/link', 'to'),
    );
    await restore(point);
    rmSync(join(target, 'app/new'));
    writeFileSync(join(target, 'app/changed'), 'CHANGED');
    rmSync(join(target, 'app/link'));
    symlinkSync('elsewhere', join(target, 'app/link'));
    posix.setMtime(Buffer.from(join(target, 'app/touched')), 1n);
    writeFileSync(join(target, 'app/extra'), '');
    const before = describeDisk(posix, target);
    const request = { mode: 'in-place', orphans: { type: 'delete' } } as const;
    const planned: string[] = [];
    const plan = await restore(
      point,
      { ...request, effect: 'plan' },
      {
        onAction: ({ action, path }) => {
          planned.push(`${action} ${path.toString()}`);
        },
      },
    );
    expect(describeDisk(posix, target)).toEqual(before);
    expect(planned).toEqual([
      'adjust app',
      'rewrite app/changed',
      'delete app/extra',
      'replace app/link',
      'create app/new',
      'keep app/same',
      'adjust app/touched',
    ]);
    const written = await restore(point, request);
    expect(written.actions).toEqual(plan.actions);
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
  });

  it('promise 10: a cancelled restore goes on where it stopped', async () => {
    const content = Buffer.alloc(1024 * 1024);
    content.fill(1, 5 * BLOCK_BYTES, 6 * BLOCK_BYTES);
    const { point } = set.cut((tree) => {
      tree.folder('app');
      for (let index = 0; index < 200; index += 1) tree.file(`app/${index}`, content);
    });
    const controller = new AbortController();
    let actions = 0;
    await expect(
      restore(
        point,
        {},
        {
          signal: controller.signal,
          onAction: () => {
            actions += 1;
            if (actions === 150) controller.abort();
          },
        },
      ),
    ).rejects.toMatchObject({ code: 'cancelled' });
    const restored = readdirSync(join(target, 'app')).length;
    expect(restored).toBeGreaterThan(0);
    expect(restored).toBeLessThan(200);
    const report = await restore(point, { mode: 'in-place' });
    expect(report.actions.create).toBe(200 - restored);
    expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
  });
});

describe('restore of random trees', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'seed %i: any tree turns into any other in place, and a second run finds nothing to do',
    async (seed) => {
      const random = seededRandom(seed);
      const points = [1, 2, 3].map(
        () =>
          set.cut((tree) => {
            scramble(tree, random);
          }).point,
      );
      await restore(points[0] ?? 1);
      for (const point of [...points, ...points.toReversed()]) {
        const request = { mode: 'in-place', orphans: { type: 'delete' } } as const;
        const report = await restore(point, request);
        expect(report.problems).toEqual([]);
        expect(describeDisk(posix, target)).toEqual(describeTree(set.tree(point)));
        const again = await restore(point, request);
        const { keep, ...others } = again.actions;
        expect(keep).toBe(set.tree(point).walk().length);
        expect(Object.values(others).every((count) => count === 0)).toBe(true);
      }
    },
  );
});
