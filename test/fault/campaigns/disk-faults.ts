/**
 * Disk faults under the running product (R19, promises 1 to 3): writes, reads, flushes, renames and
 * all other calls of replica and agent fail, one after the other, once or until the disk is well
 * again; disks are slow, clocks jump, a real file system runs full. The set says so, old points stay
 * readable, nothing acknowledged is lost, and it goes on by itself.
 */
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { FaultyProduct, type Side, type Trouble } from '../disk/faulty-product.js';
import { filledUp, type TroubleKind, troubleKinds } from '../disk/troubles.js';
import { compilerMissing } from '../native-program.js';
import {
  BlockDevices,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../power/block-devices.js';
import { Seeded } from '../../support/seeded.js';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const CHECK_EVERY = 20;
const FILLED_TRIES = 10;
const SMALL_DISK_BYTES = 48 * 1024 * 1024;
const SMALL_DISK_INODES = 700;
const sides: readonly Side[] = ['replica', 'agent'];
const fills = ['bytes', 'inodes'] as const;

type Tally = { -readonly [Key in keyof Outcome]: Outcome[Key] };

/** One kind of trouble on one side, and what became of it. */
export interface TroubleTally {
  readonly side: Side;
  readonly kind: TroubleKind;
  readonly tally: Tally;
}

export function troubleTally(side: Side, kind: TroubleKind): TroubleTally {
  return { side, kind, tally: tallyOf(`${side}: ${kind.kind}`) };
}

function tallyOf(kind: string): Tally {
  return { kind, tried: 0, survived: 0, lost: 0, wrong: 0 };
}

export const campaign: Campaign = {
  name: 'disk-faults',
  async run(options) {
    const shimmed = sides.flatMap((side) => troubleKinds.map((kind) => troubleTally(side, kind)));
    const filled = fills.map((what) => ({
      what,
      tally: tallyOf(`replica: no ${what} left on ext4`),
    }));
    const noShim = compilerMissing();
    if (noShim === undefined) await putUnderShim(shimmed, options);
    else for (const { tally } of shimmed) tally.skipped = noShim;
    const noDisk = noShim ?? mountsMissing();
    if (noDisk === undefined) await fillDisks(filled, options);
    else for (const { tally } of filled) tally.skipped = noDisk;
    const outcomes = [...shimmed, ...filled].map(({ tally }) => tally);
    const skipped = new Set(outcomes.flatMap((tally) => tally.skipped ?? []));
    for (const reason of skipped) options.log(`disk faults: skipped in part or whole, ${reason}`);
    return outcomes;
  },
};

/** At least one try a kind. Needs a compiler. */
export async function putUnderShim(
  shimmed: readonly TroubleTally[],
  options: CampaignOptions,
): Promise<void> {
  const run = new TroubleRun(options, await FaultyProduct.start(options.seed));
  try {
    for (const trouble of shimmed) await run.tryKind(trouble);
    const last = shimmed.at(-1);
    if (last !== undefined) await run.checkAll(last.tally);
  } finally {
    await run.faulty.close();
  }
}

async function fillDisks(
  filled: readonly { what: (typeof fills)[number]; tally: Tally }[],
  options: CampaignOptions,
): Promise<void> {
  const home = homeOfDevices(os.tmpdir());
  const image = path.join(home, 'image');
  const devices = new BlockDevices();
  makeFileSystem('ext4', image, {
    bytes: SMALL_DISK_BYTES,
    options: ['-N', String(SMALL_DISK_INODES), '-m', '0'],
  });
  let run: TroubleRun | undefined;
  try {
    const faulty = await FaultyProduct.start(options.seed, {
      prepare: (replicaData) => {
        fs.mkdirSync(replicaData);
        devices.mount(devices.loop(image), replicaData);
      },
      replica: { quotas: { free_bytes_min: 0 } },
    });
    run = new TroubleRun(options, faulty);
    const tries = Math.max(1, Math.round(FILLED_TRIES * options.budget));
    for (const { what, tally } of filled) {
      const trouble = filledUp(what, faulty.product.replicaData);
      for (let n = 0; n < tries; n += 1) await run.tryOne(trouble, tally);
      await run.checkAll(tally);
    }
  } finally {
    await run?.faulty.close();
    devices.close();
    fs.rmSync(home, { recursive: true, force: true });
    // The harness could not remove what was mounted.
    if (run !== undefined) fs.rmSync(run.faulty.product.folder, { recursive: true, force: true });
  }
}

/** Tries of one kind that may come to nothing without counting. */
const MISSED_MAX = 8;

class TroubleRun {
  readonly faulty: FaultyProduct;
  readonly #options: CampaignOptions;
  readonly #random: Seeded;

  constructor(options: CampaignOptions, faulty: FaultyProduct) {
    this.#options = options;
    this.faulty = faulty;
    this.#random = new Seeded(options.seed);
  }

  async tryKind({ side, kind, tally }: TroubleTally): Promise<void> {
    const tries = Math.max(1, Math.round(kind.tries * this.#options.budget));
    const calls = (await this.faulty.cleanSync())[side];
    const shim = this.faulty.shim(side);
    let missed = 0;
    for (let n = 1; n <= tries; n += 1) {
      const trouble = kind.make({ side, shim, calls, random: this.#random });
      if (trouble === undefined) return;
      const before = tally.tried;
      await this.tryOne(trouble, tally);
      // A sync may make fewer calls than the one before it: then the trouble was never met.
      if (tally.tried === before && missed < MISSED_MAX) {
        missed += 1;
        n -= 1;
        continue;
      }
      if (n % CHECK_EVERY === 0) await this.checkAll(tally);
    }
    shim.shiftClock(0);
  }

  async tryOne(trouble: Trouble, tally: Tally): Promise<void> {
    const { met, lost, wrong, stuck } = await this.faulty.sync(trouble);
    const bad = [...lost, ...wrong, ...stuck];
    if (!met && bad.length === 0) return;
    tally.tried += 1;
    tally.lost += lost.length > 0 ? 1 : 0;
    tally.wrong += wrong.length > 0 ? 1 : 0;
    if (bad.length === 0) tally.survived += 1;
    else this.#tell(tally, bad);
  }

  async checkAll(tally: Tally): Promise<void> {
    const bad = await this.faulty.checkAll();
    if (bad.length === 0) return;
    tally.wrong += 1;
    this.#tell(tally, bad);
  }

  #tell(tally: Tally, bad: readonly string[]): void {
    const what = `seed ${this.#options.seed}, ${tally.kind}, try ${tally.tried}`;
    this.#options.log(`${what}: ${bad.slice(0, 5).join('; ')}`);
  }
}
