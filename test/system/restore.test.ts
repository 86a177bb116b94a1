/** Points brought back through the command line: whole, in place, in parts, searched and checked. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExitCode } from '../../shared/errors.js';
import { Seeded } from '../support/seeded.js';
import { type Product, startProduct } from './support/product.js';
import { copyTree, rsyncMissing, treeDifferences } from './support/rsync.js';

const MIB = 2 ** 20;
const BIG_BYTES = 3 * MIB;
const missing = rsyncMissing();
if (missing !== undefined) process.stdout.write(`restore: trees are not compared, ${missing}\n`);

let product: Product;
let root: string;
let older: number;
let newer: number;
/** Copies of the source at both points. */
let asOlder: string;
let asNewer: string;

beforeAll(async () => {
  product = await startProduct({
    sets: (folder) => {
      root = path.join(folder, 'app');
      fs.mkdirSync(path.join(root, 'kept'), { recursive: true });
      fs.mkdirSync(path.join(root, 'gone'));
      const seeded = new Seeded(3);
      for (let n = 0; n < 20; n += 1) {
        fs.writeFileSync(path.join(root, 'kept', `file-${n}.txt`), `file ${n}\n`.repeat(500));
      }
      fs.writeFileSync(path.join(root, 'big.bin'), seeded.bytes(BIG_BYTES));
      fs.writeFileSync(path.join(root, 'edited.conf'), 'before = true\n');
      fs.writeFileSync(path.join(root, 'gone', 'removed.conf'), 'removed\n');
      fs.writeFileSync(path.join(root, 'mode'), 'mode');
      return [{ name: 'app', roots: [root] }];
    },
  });
  [asOlder, asNewer] = [path.join(product.folder, 'older'), path.join(product.folder, 'newer')];
  older = await product.sync('app');
  if (missing === undefined) copyTree(root, asOlder);
  const fd = fs.openSync(path.join(root, 'big.bin'), 'r+');
  fs.writeSync(fd, Buffer.alloc(5000, 'changed'), 0, 5000, MIB + 100);
  fs.closeSync(fd);
  fs.writeFileSync(path.join(root, 'edited.conf'), 'after = true\n');
  fs.rmSync(path.join(root, 'gone'), { recursive: true });
  fs.mkdirSync(path.join(root, 'added'));
  fs.writeFileSync(path.join(root, 'added', 'new.conf'), 'new\n');
  fs.chmodSync(path.join(root, 'mode'), 0o600);
  newer = await product.sync('app');
  if (missing === undefined) copyTree(root, asNewer);
}, 120_000);

afterAll(async () => {
  await product.close();
});

const inode = (file: string): bigint => fs.statSync(file, { bigint: true }).ino;

/** Every path with its inode, ctime and mtime: equal when nothing was touched. */
function touched(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { ino, ctimeNs, mtimeNs } = fs.lstatSync(path.join(folder, name), { bigint: true });
      return `${name} ${ino} ${ctimeNs} ${mtimeNs}`;
    });
}

/** A copy of the newer state, in a folder such as `restore --to` makes. */
function newerCopy(name: string): { readonly parent: string; readonly tree: string } {
  const parent = path.join(product.folder, name);
  fs.mkdirSync(parent);
  copyTree(asNewer, path.join(parent, 'app'));
  return { parent, tree: path.join(parent, 'app') };
}

test.skipIf(missing !== undefined)(
  'restore: a point into a new folder equals the source as it was; a folder with files is refused',
  async () => {
    const parent = path.join(product.folder, 'fresh');
    await product.ok(['restore', `app@${older}`, '--to', parent]);
    expect(treeDifferences(asOlder, path.join(parent, 'app'))).toBe('');
    const again = await product.run(['restore', `app@${older}`, '--to', parent]);
    expect(again.code).toBe(ExitCode.usage);
    expect(treeDifferences(asOlder, path.join(parent, 'app'))).toBe('');
  },
);

test.skipIf(missing !== undefined)(
  'restore: in place only what differs is rewritten, and --delete takes away what the point lacks',
  async () => {
    const { parent, tree } = newerCopy('in-place');
    const args = ['restore', `app@${older}`, '--to', parent, '--in-place', '--delete'];
    const before = touched(tree);
    const [plan] = (await product.json([...args, '--dry-run'])).slice(-1);
    expect(plan).toMatchObject({ dryRun: true, bytesWritten: 0 });
    expect(touched(tree)).toEqual(before);

    const kept = touched(path.join(tree, 'kept'));
    const inodes = ['big.bin', 'edited.conf', 'mode'].map((name) => inode(path.join(tree, name)));
    const [report] = (await product.json(args)).slice(-1);
    expect(treeDifferences(asOlder, tree)).toBe('');
    expect(touched(path.join(tree, 'kept'))).toEqual(kept);
    expect(['big.bin', 'edited.conf', 'mode'].map((name) => inode(path.join(tree, name)))).toEqual(
      inodes,
    );
    expect((report as { bytesWritten: number }).bytesWritten).toBeLessThan(MIB / 4);
    const [again] = (await product.json(args)).slice(-1);
    expect(again).toMatchObject({ bytesWritten: 0 });
  },
);

test.skipIf(missing !== undefined)(
  'restore: without --delete, what the point lacks stays; paths restore only what is below them',
  async () => {
    const { parent, tree } = newerCopy('parts');
    const paths = ['app/gone', path.join(root, 'edited.conf')];
    await product.ok(['restore', `app@${older}`, ...paths, '--to', parent, '--in-place']);
    expect(fs.readFileSync(path.join(tree, 'edited.conf'), 'utf8')).toBe('before = true\n');
    expect(fs.readFileSync(path.join(tree, 'gone/removed.conf'), 'utf8')).toBe('removed\n');
    expect(fs.existsSync(path.join(tree, 'added/new.conf'))).toBe(true);
    expect(fs.statSync(path.join(tree, 'mode')).mode & 0o777).toBe(0o600);
    const nothing = await product.run([
      'restore',
      `app@${older}`,
      'app/none',
      '--to',
      parent,
      '--in-place',
    ]);
    expect(nothing.code).toBe(ExitCode.notFound);
  },
);

test.skipIf(missing !== undefined)(
  'restore: in place into the source itself, and back again by the next sync',
  async () => {
    await product.ok(['restore', `app@${older}`, '--in-place', '--delete']);
    expect(treeDifferences(asOlder, root)).toBe('');
    await product.ok(['restore', `app@${newer}`, '--in-place', '--delete']);
    expect(treeDifferences(asNewer, root)).toBe('');
    const point = await product.sync('app');
    expect(treeDifferences(asNewer, await product.restore('app', point, 'app'))).toBe('');
  },
);

test('cat: ranges of both points are the bytes of then', async () => {
  const bytes = fs.readFileSync(path.join(root, 'big.bin'));
  const cat = async (point: number, ...more: string[]): Promise<Buffer> =>
    (await product.ok(['cat', `app@${point}`, 'app/big.bin', ...more])).bytes;
  expect((await cat(newer)).equals(bytes)).toBe(true);
  expect(await cat(newer, '--range', '1048600-1048699')).toEqual(
    bytes.subarray(1_048_600, 1_048_700),
  );
  expect(await cat(newer, '--range=-10')).toEqual(bytes.subarray(-10));
  const seeded = new Seeded(3).bytes(BIG_BYTES);
  expect(await cat(older, '--range', '1048000-1060000')).toEqual(
    seeded.subarray(1_048_000, 1_060_001),
  );
  const missingFile = await product.run(['cat', `app@${newer}`, 'app/gone/removed.conf']);
  expect(missingFile.code).toBe(ExitCode.notFound);
});

test('find and diff: every version of a name with its points, and what differs between two', async () => {
  const found = (await product.json(['find', '*.conf', '--set', 'app'])) as {
    path: string;
    from: number;
    to: number;
    live: boolean;
  }[];
  const removed = found.find((line) => line.path === 'app/gone/removed.conf');
  expect(removed).toMatchObject({ to: older });
  const edited = found.filter((line) => line.path === 'app/edited.conf');
  expect(edited.some(({ to }) => to === older)).toBe(true);
  expect(edited.some(({ from }) => from === newer)).toBe(true);
  const lines = (await product.json(
    ['diff', `app@${older}`, `app@${newer}`],
    [ExitCode.mismatch],
  )) as { path: string; change: string }[];
  const changes = Object.fromEntries(lines.map(({ path: at, change }) => [at, change]));
  expect(changes).toMatchObject({
    'app/big.bin': 'content',
    'app/edited.conf': 'content',
    'app/mode': 'metadata',
    'app/gone/removed.conf': 'removed',
    'app/added/new.conf': 'added',
  });
  expect(Object.keys(changes).some((at) => at.startsWith('app/kept'))).toBe(false);
  await product.ok(['diff', `app@${newer}`, `app@${newer}`], [ExitCode.ok]);
});

interface Finding {
  readonly type: string;
  readonly point: number;
  readonly path?: string;
}

/** Findings of `verify --data`, which must end with 5. */
async function findings(): Promise<Finding[]> {
  const lines = (await product.json(['verify', 'app', '--data'], [ExitCode.damaged])) as Finding[];
  return lines.filter(({ type }) => type === 'finding');
}

function flipByte(file: string, offset: number): void {
  const fd = fs.openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  fs.readSync(fd, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 0x40;
  fs.writeSync(fd, byte, 0, 1, offset);
  fs.closeSync(fd);
}

test('verify: a flipped byte of the base is found and refused; everything else stays readable', async () => {
  await product.ok(['verify', 'app', '--data']);
  const file = path.join(product.replicaData, 'sets/app/base/app/big.bin');
  flipByte(file, 2 * MIB + 77);
  const found = await findings();
  expect(found.map((finding) => finding.path)).toContain('app/big.bin');
  expect(new Set(found.map((finding) => finding.path))).toEqual(new Set(['app/big.bin']));
  const cat = await product.run([
    'cat',
    `app@${newer}`,
    'app/big.bin',
    '--range',
    '2097152-2097300',
  ]);
  expect(cat.code).toBe(ExitCode.damaged);
  expect(cat.out).toBe('');
  const before = await product.ok(['cat', `app@${newer}`, 'app/big.bin', '--range', '0-999']);
  expect(before.bytes).toHaveLength(1000);
  await product.ok(['cat', `app@${newer}`, 'app/kept/file-3.txt']);
  const parent = path.join(product.folder, 'damaged');
  const restored = await product.run(['restore', `app@${newer}`, '--to', parent]);
  expect(restored.code).toBe(ExitCode.damaged);
  expect(restored.err).toContain('app/big.bin');
  expect(digest(path.join(parent, 'app/kept/file-7.txt'))).toBe(
    digest(path.join(root, 'kept/file-7.txt')),
  );
  flipByte(file, 2 * MIB + 77);
  await product.ok(['verify', 'app', '--data']);
});

test('verify: a flipped byte of a pack is found; the newest point does not need it', async () => {
  const packs = path.join(product.replicaData, 'sets/app/packs');
  const sizes = fs.readdirSync(packs).map((name) => fs.statSync(path.join(packs, name)).size);
  const [name] = fs.readdirSync(packs);
  const size = Math.max(0, ...sizes);
  expect(size).toBeGreaterThan(5000);
  const pack = path.join(packs, name ?? '');
  flipByte(pack, size - 3000);
  const found = await findings();
  expect(new Set(found.map((finding) => finding.path))).toEqual(new Set(['app/big.bin']));
  expect(found.every(({ point }) => point <= older)).toBe(true);
  await product.ok(['verify', `app@${newer}`, '--data']);
  await product.ok(['cat', `app@${older}`, 'app/edited.conf']);
  flipByte(pack, size - 3000);
  await product.ok(['verify', 'app', '--data']);
});

function digest(file: string): string {
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}
