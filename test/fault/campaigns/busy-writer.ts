/**
 * A process writes at full speed, in ways that defeat who looks at size and time, while syncs run one
 * after the other; after it stops, the next point equals the source by content and metadata, judged
 * by a program that knows nothing of the product (promises 4 and 5; R16, R17). On each file system
 * that this machine can make.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../../shared/errors.js';
import { Seeded } from '../../support/seeded.js';
import { type Product, startProduct } from '../../system/support/product.js';
import { rsyncMissing, treeDifferences } from '../../system/support/rsync.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { BlockDevices, call, makeFileSystem, mountsMissing } from '../power/block-devices.js';

const SEEDS = 20;
const WRITE_MS = 60_000;
const WRITE_MS_MIN = 1_500;
const IMAGE_BYTES = 1024 * 1024 * 1024;
const SET = 'app';
const SHOWN = 400;
/** Tests run from their sources, campaigns from dist/. */
const childFile = import.meta.url.includes('/dist/test/')
  ? '../support/busy-writer-child.js'
  : '../../../dist/test/fault/support/busy-writer-child.js';
const child = fileURLToPath(new URL(childFile, import.meta.url));

export const fileSystems = ['tmpfs', 'ext4', 'xfs', 'btrfs'] as const;
/** `as it is`: that of the temporary folder, which needs no rights. */
export type FileSystem = (typeof fileSystems)[number] | 'as it is';
const schedules = ['continuous', 'every second'] as const;

export const campaign: Campaign = {
  name: 'busy-writer',
  run: (options) => run(options, fileSystems),
};

/** A round on each of some file systems; `budget` scales seeds and the time that is written. */
export async function run(
  options: CampaignOptions,
  on: readonly FileSystem[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const fileSystem of on) {
    const kind = `writer at full speed on ${fileSystem}`;
    const skipped = missing(fileSystem);
    if (skipped === undefined) outcomes.push({ kind, ...(await runOn(fileSystem, options)) });
    else outcomes.push({ kind, ...nothing, skipped });
  }
  return outcomes;
}

const nothing = { tried: 0, survived: 0, lost: 0, wrong: 0 };

function missing(fileSystem: FileSystem): string | undefined {
  const judge = rsyncMissing();
  if (judge !== undefined) return judge;
  if (!fs.existsSync(child)) return 'the test room is not built';
  if (fileSystem === 'as it is') return undefined;
  return mountsMissing(fileSystem === 'tmpfs' ? [] : [fileSystem]);
}

async function runOn(fileSystem: FileSystem, options: CampaignOptions): Promise<typeof nothing> {
  const seeds = Math.max(1, Math.round(SEEDS * options.budget));
  const writeMs = Math.max(WRITE_MS_MIN, Math.min(1, options.budget) * WRITE_MS);
  const tally = { ...nothing };
  const random = new Seeded(options.seed);
  const first = random.below(schedules.length);
  for (const [index, schedule] of schedules.entries()) {
    // Every other seed: with one seed, the schedule is drawn.
    const mine = Math.floor((seeds + (index === first ? 1 : 0)) / 2);
    if (mine > 0) {
      await withSet({ fileSystem, schedule }, async (product, root) => {
        for (let n = 0; n < mine; n += 1) {
          const seed = options.seed * 1000 + index * 500 + n;
          tally.tried += 1;
          const found = await writeAndCompare({ product, root, schedule }, { seed, writeMs });
          const told = `${fileSystem}, ${schedule}, seed ${seed}: ${found.told}`;
          options.log(told);
          if (found.wrong === '') tally.survived += 1;
          else {
            tally.wrong += 1;
            options.log(found.wrong.slice(0, SHOWN));
          }
        }
      });
    }
  }
  return tally;
}

async function withSet(
  set: { readonly fileSystem: FileSystem; readonly schedule: (typeof schedules)[number] },
  work: (product: Product, root: string) => Promise<void>,
): Promise<void> {
  const devices = new BlockDevices();
  let root = '';
  const product = await startProduct({
    startAgent: false,
    sets: (folder) => {
      root = mount(devices, folder, set.fileSystem);
      const schedule = set.schedule === 'continuous' ? 'continuous' : { every: '1s' };
      return [{ name: SET, roots: [root], schedule }];
    },
  });
  try {
    await product.startAgent();
    await work(product, root);
    await product.kill('agent', 'SIGTERM');
  } finally {
    try {
      devices.close();
    } finally {
      await product.close();
    }
  }
}

/** Makes and mounts it; the folder in it that is the set's root. */
function mount(devices: BlockDevices, folder: string, fileSystem: FileSystem): string {
  const place = path.join(folder, 'disk');
  fs.mkdirSync(place);
  if (fileSystem === 'tmpfs') {
    call('mount', ['-t', 'tmpfs', 'none', place]);
    devices.add(place, () => {
      call('umount', [place]);
    });
  } else if (fileSystem !== 'as it is') {
    const image = path.join(folder, 'disk.img');
    makeFileSystem(fileSystem, image, { bytes: IMAGE_BYTES });
    devices.mount(devices.loop(image), place);
  }
  const root = path.join(place, SET);
  fs.mkdirSync(root);
  return root;
}

interface Compared {
  readonly told: string;
  /** What differs; empty when nothing does. */
  readonly wrong: string;
}

async function writeAndCompare(
  at: { readonly product: Product; readonly root: string; readonly schedule: string },
  { seed, writeMs }: { readonly seed: number; readonly writeMs: number },
): Promise<Compared> {
  const { product, root } = at;
  const before = (await product.points(SET)).length;
  const operations = await writeFor(root, seed, writeMs);
  try {
    const point = await product.sync(SET);
    const wrong = await compare(at, point);
    const points = (await product.points(SET)).length - before;
    return { told: `${operations} operations, ${points} points`, wrong };
  } catch (error) {
    return { told: `${operations} operations`, wrong: messageOf(error) };
  }
}

async function compare(
  { product, root }: { readonly product: Product; readonly root: string },
  point: number,
): Promise<string> {
  const restored = await product.restore(SET, point, path.basename(root));
  try {
    return treeDifferences(root, restored);
  } finally {
    fs.rmSync(path.dirname(restored), { recursive: true, force: true });
  }
}

/** Resolves with the number of operations once the writer has ended. */
function writeFor(root: string, seed: number, ms: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const writer = spawn(process.execPath, [child, root, String(seed), String(ms)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    writer.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    writer.on('error', reject);
    writer.on('close', (code) => {
      if (code === 0) resolve(Number(out));
      else reject(new Error(`the writer ended with ${code ?? 'a signal'}`));
    });
  });
}
