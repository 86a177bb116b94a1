import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RestoreLine, restoreLineSchema } from '../../../shared/api/actions.js';
import { AfterimageError } from '../../../shared/errors.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { restoreLines } from '../../../replica/serve/restore-lines.js';
import { ViewSource } from '../../../replica/restore/view-source.js';
import { TestReplica } from '../../cli/support/served-memory.js';
import { describeDisk, describeTree, removeFolder } from '../support/disk-tree.js';

const posix = loadPosix();
let replica: TestReplica;
let folder: string;
let root: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-roots-'));
  root = join(folder, 'root');
  mkdirSync(root);
  replica = new TestReplica();
  replica.set.cut((tree) => tree.folder('app').file('app/a', 'alpha').file('app/b', 'beta'));
  await replica.start({ restoreRoots: [root] });
});

afterEach(async () => {
  await replica.stop();
  removeFolder(posix, folder);
});

async function ask(request: object): Promise<RestoreLine[]> {
  const lines: RestoreLine[] = [];
  const client = replica.client();
  try {
    const path = '/v1/sets/shop/points/1/restore';
    for await (const line of client.lines(restoreLineSchema, { path, body: request })) {
      lines.push(line);
    }
  } finally {
    await client.close();
  }
  expect(replica.set.openViews).toBe(0);
  return lines;
}

describe('restore by the replica (R22)', () => {
  it('below a restore root: is done, and told at the end', async () => {
    const lines = await ask({ to: join(root, 'new/deep') });
    expect(lines.at(-1)).toMatchObject({ type: 'restored', actions: { create: 3 } });
    expect(describeDisk(posix, join(root, 'new/deep'))).toEqual(describeTree(replica.set.tree(1)));
    await expect(ask({ to: join(root, 'new/deep') })).rejects.toMatchObject({
      code: 'target-not-empty',
    });
    const again = await ask({ to: join(root, 'new/deep'), mode: 'in-place', extra: 'delete' });
    expect(again.at(-1)).toMatchObject({ actions: { keep: 3, create: 0 }, bytesWritten: 0 });
  });

  it('planning only: tells the actions and makes nothing', async () => {
    const lines = await ask({ to: join(root, 'new'), effect: 'plan', paths: ['app/b'] });
    const actions = lines.filter((line) => line.type === 'action');
    expect(actions.map(({ action, path }) => `${action} ${path}`)).toEqual([
      'create app',
      'create app/b',
    ]);
    expect(existsSync(join(root, 'new'))).toBe(false);
  });

  it('a reader who is slow: is told every action all the same', async () => {
    const view = replica.set.open(1);
    const hash = createHashCore();
    const lines = restoreLines(
      new ViewSource(view, hash),
      {
        target: { type: 'folder', folder: Buffer.from(join(root, 'new')) },
        paths: [],
        mode: 'fresh',
        orphans: { type: 'leave' },
        effect: 'plan',
      },
      { posix, hash, signal: new AbortController().signal },
    );
    const actions: string[] = [];
    for await (const line of lines) {
      if (line.type === 'action') actions.push(line.path);
      // What is planned meanwhile, to its end, is what was lost once.
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    view.close();
    expect(actions).toEqual(['app', 'app/a', 'app/b']);
  });

  it.each(['elsewhere', 'root-beside/x', 'root/../elsewhere', 'root/x/../../elsewhere'])(
    '%s: is refused, and nothing is made',
    async (to) => {
      await expect(ask({ to: `${folder}/${to}` })).rejects.toMatchObject({
        code: 'target-refused',
      });
      expect(readdirSync(folder)).toEqual(['root']);
    },
  );

  it('a symbolic link below the root: is not followed', async () => {
    mkdirSync(join(folder, 'outside'));
    symlinkSync(join(folder, 'outside'), join(root, 'link'));
    await expect(ask({ to: join(root, 'link/x') })).rejects.toThrow(AfterimageError);
    expect(readdirSync(join(folder, 'outside'))).toEqual([]);
  });

  it('a client that goes away: stops it, and all is closed', async () => {
    const controller = new AbortController();
    const client = replica.client(controller.signal);
    let reads = 0;
    replica.set.onRead = () => {
      reads += 1;
      if (reads === 1) controller.abort();
    };
    const lines = client.lines(restoreLineSchema, {
      path: '/v1/sets/shop/points/1/restore',
      body: { to: join(root, 'x') },
    });
    await expect(lines.next()).rejects.toMatchObject({ code: 'cancelled' });
    await client.close();
    await expect.poll(() => replica.set.openViews).toBe(0);
    await expect.poll(() => openBelow(root)).toEqual([]);
  });
});

/** This process's descriptors of a folder and what is in it. */
function openBelow(path: string): string[] {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the listing's own descriptor is gone by now
    }
  });
  return targets.filter((target) => target.startsWith(path));
}
