/** Metadata is data (promise 9): whatever a file system holds comes back as it was, at every point. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { bottomOf, nestDeep } from '../support/deep-folders.js';
import { type Product, startProduct } from './support/product.js';
import { copyTree, rsyncMissing, treeDifferences } from './support/rsync.js';
import { tortureSteps } from './support/torture-tree.js';

const { native } = loadPosix();
const missing =
  rsyncMissing() ?? toolMissing() ?? (native ? undefined : 'the native part is not built');
if (missing !== undefined) process.stdout.write(`torture: part is left out, ${missing}\n`);

/** What makes the tree is not on every machine. */
function toolMissing(): string | undefined {
  const tools = ['setfacl', 'setfattr', 'mkfifo', 'mknod', 'fallocate'];
  const absent = tools.filter((tool) => spawnSync(tool, ['--version']).status !== 0);
  return absent.length === 0 ? undefined : `${absent.join(', ')} not installed`;
}

const SPARSE_BYTES = 10 * 2 ** 30;
const DATA_BYTES = 2 ** 20;
const MOVED_FILES = 10_000;

/** One set `tree` of the folder `tree`, which `fill` makes. */
async function withTree(
  fill: (root: string) => void,
  body: (product: Product, root: string) => Promise<void>,
  storage: 'disk' | 'memory' = 'disk',
): Promise<void> {
  const product = await startProduct({
    storage,
    sets: (folder) => {
      const root = path.join(folder, 'tree');
      fs.mkdirSync(root);
      fill(root);
      return [{ name: 'tree', roots: [root] }];
    },
  });
  try {
    await body(product, path.join(product.folder, 'tree'));
  } finally {
    await product.close();
  }
}

describe.skipIf(missing !== undefined)('torture', () => {
  test('torture: every point equals the source as it was, for all that a tree can hold', async () => {
    await withTree(
      () => undefined,
      async (product, root) => {
        const cut: { readonly point: number; readonly copy: string; readonly title: string }[] = [];
        for (const step of tortureSteps) {
          const { title } = step;
          step.run(root);
          const point = await product.sync('tree');
          const copy = path.join(product.folder, `copy-${point}`);
          copyTree(root, copy);
          const restored = await product.restore('tree', point, 'tree');
          expect.soft(treeDifferences(root, restored), title).toBe('');
          expect.soft(linkCounts(restored), title).toEqual(linkCounts(root));
          cut.push({ point, copy, title });
        }
        for (const { point, copy, title } of cut) {
          const restored = await product.restore('tree', point, 'tree');
          expect.soft(treeDifferences(copy, restored), `${title}, at the end`).toBe('');
        }
        await product.ok(['verify', 'tree', '--data']);
      },
    );
  }, 240_000);
});

/** Number of names by how many names their file has; rsync does not see names joined too many. */
function linkCounts(root: string): Record<number, number> {
  const counts: Record<number, number> = {};
  const walk = (folder: Buffer): void => {
    for (const name of fs.readdirSync(folder, { encoding: 'buffer' })) {
      const at = Buffer.concat([folder, Buffer.from('/'), name]);
      const status = fs.lstatSync(at);
      if (status.isDirectory()) walk(at);
      else counts[status.nlink] = (counts[status.nlink] ?? 0) + 1;
    }
  };
  walk(Buffer.from(root));
  return counts;
}

test.skipIf(!native)(
  'torture: a sparse file of 10 GiB with 1 MiB of data travels and comes back as its data only',
  async () => {
    const data = Buffer.alloc(DATA_BYTES, 'data in the middle of nothing');
    await withTree(
      (root) => {
        const fd = fs.openSync(path.join(root, 'sparse'), 'w');
        fs.writeSync(fd, data, 0, DATA_BYTES, SPARSE_BYTES / 2 + 4096);
        fs.ftruncateSync(fd, SPARSE_BYTES);
        fs.closeSync(fd);
      },
      async (product, root) => {
        const point = await product.sync('tree');
        const { outcome } = await product.pointDetail('tree', point);
        const [first] = await product.points('tree');
        const { counts } = (await product.pointDetail('tree', first?.point ?? point)).outcome;
        expect(counts.bytesSent).toBeLessThan(4 * DATA_BYTES);
        expect(outcome.unreadable).toEqual([]);
        const restored = path.join(await product.restore('tree', point, 'tree'), 'sparse');
        expect(fs.statSync(restored).size).toBe(SPARSE_BYTES);
        for (const copy of [
          restored,
          path.join(product.replicaData, 'sets/tree/base/tree/sparse'),
        ]) {
          expect(fs.statSync(copy).blocks * 512, copy).toBeLessThan(2 * DATA_BYTES);
        }
        const fd = fs.openSync(restored, 'r');
        const read = Buffer.alloc(DATA_BYTES + 8192);
        fs.readSync(fd, read, 0, read.length, SPARSE_BYTES / 2);
        fs.closeSync(fd);
        expect(read.subarray(4096, 4096 + DATA_BYTES).equals(data)).toBe(true);
        const [source, copy] = [path.join(root, 'sparse'), restored].map(
          (file) => fs.statSync(file, { bigint: true }).mtimeNs,
        );
        expect(copy).toBe(source);
      },
    );
  },
);

test('torture: a moved folder of 10,000 files is a rename, and sends no content', async () => {
  await withTree(
    (root) => {
      for (let n = 0; n < MOVED_FILES; n += 1) {
        const folder = path.join(root, 'before', `folder-${n % 50}`);
        if (n < 50) fs.mkdirSync(folder, { recursive: true });
        fs.writeFileSync(path.join(folder, `file-${n}`), `content of file ${n}\n`.repeat(20));
      }
    },
    async (product, root) => {
      await product.sync('tree');
      fs.mkdirSync(path.join(root, 'in'));
      fs.renameSync(path.join(root, 'before'), path.join(root, 'in', 'after'));
      const point = await product.sync('tree');
      const { changedNodes, changedBytes, outcome } = await product.pointDetail('tree', point);
      expect(outcome.counts.bytesSent).toBeLessThan(10_000);
      expect(changedBytes).toBeLessThan(10_000);
      expect(changedNodes).toBeLessThan(60);
      if (missing !== undefined) return;
      expect(treeDifferences(root, await product.restore('tree', point, 'tree'))).toBe('');
    },
    'memory',
  );
});

test('torture: a path longer than PATH_MAX is carried and restored', async () => {
  await withTree(
    (root) => {
      nestDeep(root, 6000);
    },
    async (product, root) => {
      const point = await product.sync('tree');
      const { outcome } = await product.pointDetail('tree', point);
      expect(outcome.unreadable).toEqual([]);
      const restored = await product.restore('tree', point, 'tree');
      expect(bottomOf(restored)).toEqual(bottomOf(root));
    },
  );
});
