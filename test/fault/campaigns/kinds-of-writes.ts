/**
 * Every kind of write is seen (promises 4 and 5): a program writes in all ways that there are, in a
 * drawn order and through another mount, too; after each batch a sync that scans, and the point equals
 * the source by content and metadata, judged by a program that knows nothing of the product. On each
 * file system that this machine can make.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../../shared/errors.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { Seeded } from '../../support/seeded.js';
import { compileWriter, type Step, Writer } from '../../support/writer/writer.js';
import { mainFile, type Product, startProduct } from '../../system/support/product.js';
import { rsyncMissing, treeDifferences } from '../../system/support/rsync.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { compilerMissing } from '../native-program.js';
import { BlockDevices, call, makeFileSystem, mountsMissing } from '../power/block-devices.js';

const STEPS = 1_000;
const BATCH = 15;
/** Held mappings are stored to within their first pages, which are dirty from the last time. */
const HELD_OFFSET_MAX = 5_000;
const IMAGE_BYTES = 1024 * 1024 * 1024;
const SET = 'app';
const FOLDERS = ['.', 'a', 'a/b'];
const NAMES = 18;
const FILE_BYTES = 300_000;
const LENGTH_MAX = 20_000;
const SHOWN = 600;

const fileSystems = ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const;
export type FileSystem = (typeof fileSystems)[number];

/** Names of the lists in test/support/writer. */
const ways = [
  ...['write', 'dsync', 'append', 'direct', 'vectored', 'old-times', 'fallocate', 'reserve'],
  ...[
    'zero-range',
    'collapse',
    'insert',
    'punch',
    'truncate',
    'copy-range',
    'clone',
    'clone-range',
  ],
  ...['sendfile', 'splice', 'aio', 'aio-direct', 'uring', 'exchange', 'rename', 'link', 'symlink'],
  ...['unnamed', 'recreate', 'through-old', 'chmod', 'chmod-back', 'chown', 'utimes', 'xattr'],
  ...[
    'xattr-back',
    'acl',
    'map-store',
    'map-sync',
    'look-store',
    'hold',
    'store-held',
    'look-held',
  ],
  'release',
];
/** Mappings that stay are what hides most: they are drawn more often. */
const often = ['hold', ...Array<string>(6).fill('store-held'), 'look-held', 'old-times', 'write'];
/** In memory, a store to a page that was only read leaves no trace once it is unmapped. */
const unseen: Readonly<Partial<Record<FileSystem, readonly string[]>>> = { tmpfs: ['look-store'] };
/** The file system, not the product, has no such thing; or a name that is gone, not there yet. */
const notApplicable = new Set([
  'EOPNOTSUPP',
  'EINVAL',
  'ENOENT',
  'EXDEV',
  'ELOOP',
  'ENOSYS',
  'EPERM',
]);

export const campaign: Campaign = {
  name: 'kinds-of-writes',
  run: (options) => run(options, fileSystems),
};

/** `budget` scales the steps on each file system. */
export async function run(
  options: CampaignOptions,
  on: readonly FileSystem[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, fileSystem] of on.entries()) {
    const kind = `writes of every kind on ${fileSystem}`;
    const skipped = missing(fileSystem);
    const told =
      skipped === undefined ? await runOn(fileSystem, options, index) : { ...nothing, skipped };
    outcomes.push({ kind, ...told });
  }
  return outcomes;
}

const nothing = { tried: 0, survived: 0, lost: 0, wrong: 0 };

function missing(fileSystem: FileSystem): string | undefined {
  if (!loadPosix().native) return 'the native part is not built';
  if (!fs.existsSync(mainFile)) return 'the product is not built';
  return (
    rsyncMissing() ?? compilerMissing() ?? mountsMissing(fileSystem === 'tmpfs' ? [] : [fileSystem])
  );
}

async function runOn(
  fileSystem: FileSystem,
  options: CampaignOptions,
  index: number,
): Promise<typeof nothing> {
  const devices = new BlockDevices();
  let root = '';
  const product = await startProduct({
    startAgent: false,
    sets: (folder) => {
      root = mount(devices, folder, fileSystem);
      return [{ name: SET, roots: [root], capture: { source: 'scan' } }];
    },
  });
  try {
    const program = path.join(product.folder, 'writer');
    compileWriter(program);
    await product.startAgent();
    const writer = new Writer(program);
    try {
      const at = { product, writer, root, fileSystem };
      return await writeAndCompare(at, { ...options, seed: options.seed * 10 + index });
    } finally {
      await writer.close();
      await product.kill('agent', 'SIGTERM');
    }
  } finally {
    try {
      devices.close();
    } finally {
      await product.close();
    }
  }
}

/** Makes and mounts it, once more at `other`; the folder in it that is the set's root. */
function mount(devices: BlockDevices, folder: string, fileSystem: FileSystem): string {
  const place = path.join(folder, 'disk');
  const other = path.join(folder, 'other');
  fs.mkdirSync(place);
  fs.mkdirSync(other);
  if (fileSystem === 'tmpfs') {
    call('mount', ['-t', 'tmpfs', 'none', place]);
    devices.add(place, () => {
      call('umount', [place]);
    });
  } else {
    const image = path.join(folder, 'disk.img');
    makeFileSystem(fileSystem, image, { bytes: IMAGE_BYTES });
    devices.mount(devices.loop(image), place);
  }
  devices.mount(place, other, 'bind');
  const root = path.join(place, SET);
  for (const name of FOLDERS) fs.mkdirSync(path.join(root, name), { recursive: true });
  return root;
}

interface Place {
  readonly product: Product;
  readonly writer: Writer;
  readonly root: string;
  readonly fileSystem: FileSystem;
}

async function writeAndCompare(place: Place, options: CampaignOptions): Promise<typeof nothing> {
  const { root, fileSystem, writer } = place;
  const random = new Seeded(options.seed);
  const tally = { ...nothing };
  const refused = new Map<string, string>();
  for (let n = 0; n < NAMES; n += 1) {
    fs.writeFileSync(nameOf(root, n), random.bytes(random.below(FILE_BYTES)));
  }
  const drawn = ways.filter((way) => unseen[fileSystem]?.includes(way) !== true);
  const steps = Math.max(BATCH, Math.round(STEPS * options.budget));
  while (tally.tried < steps) {
    const taken: string[] = [];
    for (let n = 0; n < BATCH; n += 1) {
      const step = draw(random, place, drawn);
      const answer = await writer.step(step);
      if (answer === 'ok') taken.push(`${step.way} ${path.relative(root, step.path)}`);
      else if (notApplicable.has(answer)) refused.set(step.way, answer);
      else throw new Error(`${fileSystem}: ${step.way} ended with ${answer}`);
    }
    tally.tried += taken.length;
    const wrong = await compare(place);
    if (wrong === '') {
      tally.survived += taken.length;
      continue;
    }
    tally.wrong += 1;
    options.log(
      `${fileSystem}, seed ${options.seed}: ${wrong.slice(0, SHOWN)} after ${taken.join(', ')}`,
    );
  }
  const applied = [...refused].map(([way, code]) => `${way} (${code})`).join(', ');
  options.log(
    `${fileSystem}, seed ${options.seed}: ${tally.tried} writes; at times refused: ${applied}`,
  );
  for (const way of unseen[fileSystem] ?? [])
    options.log(`${fileSystem}: ${way} is not seen there`);
  return tally;
}

function nameOf(root: string, n: number): string {
  return path.join(root, FOLDERS[n % FOLDERS.length] ?? '.', `file-${n}`);
}

function draw(random: Seeded, { root, product }: Place, drawn: readonly string[]): Step {
  const way = random.pick(random.chance(0.3) ? often : drawn);
  const through = random.chance(0.15) ? path.join(product.folder, 'other', SET) : root;
  const first = random.below(NAMES);
  const second = (first + 1 + random.below(NAMES - 1)) % NAMES;
  return {
    way,
    path: nameOf(through, first),
    other: nameOf(through, second),
    offset: random.below(way === 'store-held' ? HELD_OFFSET_MAX : FILE_BYTES),
    length: 1 + random.below(LENGTH_MAX),
    seed: random.below(1_000_000),
  };
}

/** What differs between the source and a point cut now; empty when nothing does. */
async function compare({ product, root }: Place): Promise<string> {
  try {
    const point = await product.sync(SET);
    const restored = await product.restore(SET, point, path.basename(root));
    try {
      return treeDifferences(root, restored);
    } finally {
      fs.rmSync(path.dirname(restored), { recursive: true, force: true });
    }
  } catch (error) {
    return messageOf(error);
  }
}
