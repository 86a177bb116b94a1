/**
 * Disk faults under the running product (R19, promises 1 to 3): writes, reads, flushes, renames and
 * all other calls of replica and agent fail, one after the other, once or until the disk is well
 * again. The set says so, old points stay readable, nothing acknowledged is lost, and it goes on by
 * itself.
 */
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { type DiskFault, FaultyProduct, type Side } from '../disk/faulty-product.js';
import { compilerMissing } from '../native-program.js';
import type { CallKind } from '../shim/disk-shim.js';
import { Seeded } from '../../support/seeded.js';

interface FaultKind {
  readonly kind: string;
  readonly calls: readonly CallKind[];
  readonly errno: 'ENOSPC' | 'EIO' | 'EROFS';
  readonly action?: 'lose';
  /** Once, or until it is lifted. */
  readonly stays: boolean;
  /** At budget 1, on each side. */
  readonly tries: number;
}

const NAMES: readonly CallKind[] = ['create', 'mkdir', 'rename', 'link'];
const FLUSHES: readonly CallKind[] = ['fsync', 'fdatasync', 'syncfs'];

const kinds: readonly FaultKind[] = [
  { kind: 'disk full', calls: ['write', ...NAMES], errno: 'ENOSPC', stays: true, tries: 40 },
  { kind: 'no space once', calls: ['write', ...NAMES], errno: 'ENOSPC', stays: false, tries: 40 },
  { kind: 'a write fails once', calls: ['write'], errno: 'EIO', stays: false, tries: 40 },
  { kind: 'a read fails once', calls: ['read'], errno: 'EIO', stays: false, tries: 40 },
  {
    kind: 'a flush fails once and its bytes are gone',
    calls: FLUSHES,
    errno: 'EIO',
    action: 'lose',
    stays: false,
    tries: 40,
  },
  { kind: 'flushes fail', calls: FLUSHES, errno: 'EIO', stays: true, tries: 20 },
  {
    kind: 'a name cannot be changed once',
    calls: [...NAMES, 'unlink', 'truncate', 'open'],
    errno: 'EIO',
    stays: false,
    tries: 40,
  },
  {
    kind: 'disk read-only',
    calls: ['write', ...NAMES, 'unlink', 'truncate'],
    errno: 'EROFS',
    stays: true,
    tries: 20,
  },
];

const CHECK_EVERY = 20;

export const campaign: Campaign = {
  name: 'disk-faults',
  async run(options) {
    const sides: readonly Side[] = ['replica', 'agent'];
    const tallies = sides.flatMap((side) =>
      kinds.map((kind) => ({ side, kind, ...empty(side, kind) })),
    );
    const skipped = compilerMissing();
    if (skipped !== undefined) {
      options.log(`disk faults: skipped, ${skipped}`);
      return tallies.map(({ outcome }) => ({ ...outcome, skipped }));
    }
    const run = new FaultRun(options, await FaultyProduct.start(options.seed));
    try {
      for (const { side, kind, outcome } of tallies) await run.tryKind(side, kind, outcome);
      return tallies.map(({ outcome }) => outcome);
    } finally {
      await run.close();
    }
  },
};

type Tally = { -readonly [Key in keyof Outcome]: Outcome[Key] };

function empty(side: Side, { kind }: FaultKind): { readonly outcome: Tally } {
  return { outcome: { kind: `${side}: ${kind}`, tried: 0, survived: 0, lost: 0, wrong: 0 } };
}

class FaultRun {
  readonly #options: CampaignOptions;
  readonly #faulty: FaultyProduct;
  readonly #random: Seeded;

  constructor(options: CampaignOptions, faulty: FaultyProduct) {
    this.#options = options;
    this.#faulty = faulty;
    this.#random = new Seeded(options.seed);
  }

  async tryKind(side: Side, kind: FaultKind, outcome: Tally): Promise<void> {
    const tries = Math.max(1, Math.round(kind.tries * this.#options.budget));
    const calls = (await this.#faulty.cleanSync())[side];
    for (let n = 1; n <= tries; n += 1) {
      const call = this.#pick(kind, calls);
      if (call === undefined) return;
      const fault: DiskFault = {
        ...call,
        side,
        action: kind.action ?? 'fail',
        errno: kind.errno,
        ...(kind.stays ? {} : { times: 1 }),
      };
      await this.#tryOne(fault, outcome);
      if (n % CHECK_EVERY === 0 || n === tries) await this.#checkAll(outcome);
    }
  }

  close(): Promise<void> {
    return this.#faulty.close();
  }

  /** One call of those that a clean sync makes, each kind as likely; what stays holds for all kinds. */
  #pick(
    kind: FaultKind,
    calls: ReadonlyMap<CallKind, number>,
  ): Pick<DiskFault, 'kinds' | 'from'> | undefined {
    const made = kind.calls.filter((call) => (calls.get(call) ?? 0) > 0);
    if (made.length === 0) return undefined;
    const hit = kind.stays ? made : [this.#random.pick(made)];
    const count = hit.reduce((sum, call) => sum + (calls.get(call) ?? 0), 0);
    return { kinds: hit, from: 1 + this.#random.below(count) };
  }

  async #tryOne(fault: DiskFault, outcome: Tally): Promise<void> {
    const { reached, lost, wrong, stuck } = await this.#faulty.tryFault(fault);
    const bad = [...lost, ...wrong, ...stuck];
    if (!reached && bad.length === 0) return;
    outcome.tried += 1;
    outcome.lost += lost.length > 0 ? 1 : 0;
    outcome.wrong += wrong.length > 0 ? 1 : 0;
    if (bad.length === 0) outcome.survived += 1;
    else {
      const what = `seed ${this.#options.seed}, ${outcome.kind}: ${JSON.stringify(fault)}`;
      this.#options.log(`${what}: ${bad.slice(0, 5).join('; ')}`);
    }
  }

  async #checkAll(outcome: Tally): Promise<void> {
    const wrong = await this.#faulty.checkAll();
    if (wrong.length === 0) return;
    outcome.wrong += 1;
    this.#options.log(`seed ${this.#options.seed}, after ${outcome.kind}: ${wrong.join('; ')}`);
  }
}
