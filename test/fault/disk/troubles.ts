/** Kinds of trouble with disks and clocks, and how each is put under a sync. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Seeded } from '../../support/seeded.js';
import type { CallKind, DiskShim, FaultRule } from '../shim/disk-shim.js';
import type { Side, Trouble } from './faulty-product.js';

const NAMES: readonly CallKind[] = ['create', 'mkdir', 'rename', 'link'];
const FLUSHES: readonly CallKind[] = ['fsync', 'fdatasync', 'syncfs'];
const SLOW_MS = 30;
const JUMPS_HOURS = [-26, -1, 1, 26];

export interface TroubleKind {
  readonly kind: string;
  /** At budget 1. */
  readonly tries: number;
  /** Undefined when a sync makes no such calls. `calls`: those of a clean sync. */
  make(at: {
    readonly side: Side;
    readonly shim: DiskShim;
    readonly calls: ReadonlyMap<CallKind, number>;
    readonly random: Seeded;
  }): Trouble | undefined;
}

type Failing = Pick<FaultRule, 'kinds' | 'errno'> & {
  readonly stays: Trouble['stays'];
  readonly action?: FaultRule['action'];
};

/** One call of those that a clean sync makes, each kind as likely; lasting trouble holds for all kinds. */
function failing(kind: string, tries: number, how: Failing): TroubleKind {
  return {
    kind,
    tries,
    make({ side, shim, calls, random }) {
      const made = how.kinds.filter((call) => (calls.get(call) ?? 0) > 0);
      if (made.length === 0) return undefined;
      const kinds = how.stays === 'lasting' ? made : [random.pick(made)];
      const count = kinds.reduce((sum, call) => sum + (calls.get(call) ?? 0), 0);
      const rule: FaultRule = {
        kinds,
        from: 1 + random.below(count),
        action: how.action ?? 'fail',
        errno: how.errno ?? 'EIO',
        ...(how.stays === 'lasting' ? {} : { times: 1 }),
      };
      let armed: ReturnType<DiskShim['arm']> | undefined;
      return {
        side,
        stays: how.stays,
        begin: () => {
          armed = shim.arm(rule);
        },
        met: () => (armed?.hit() ?? 0) > 0,
        end: () => armed?.lift(),
      };
    },
  };
}

const slowDisk: TroubleKind = {
  kind: 'slow disk',
  tries: 5,
  make: ({ side, shim }) => ({
    side,
    stays: 'once',
    begin: () => {
      shim.slowDown([...FLUSHES, 'write', 'rename'], SLOW_MS);
    },
    met: () => true,
    end: () => {
      shim.slowDown([], 0);
    },
  }),
};

/** The clock stays where it jumped to, until it jumps again. */
const clockJump: TroubleKind = {
  kind: 'the clock jumps by hours, forth and back',
  tries: 10,
  make: ({ side, shim, random }) => ({
    side,
    stays: 'once',
    begin: () => {
      shim.shiftClock(random.pick(JUMPS_HOURS) * 3_600_000);
    },
    met: () => true,
    end: () => undefined,
  }),
};

export const troubleKinds: readonly TroubleKind[] = [
  failing('disk full', 40, { kinds: ['write', ...NAMES], errno: 'ENOSPC', stays: 'lasting' }),
  failing('no space once', 40, { kinds: ['write', ...NAMES], errno: 'ENOSPC', stays: 'once' }),
  failing('quota full', 10, { kinds: ['write', ...NAMES], errno: 'EDQUOT', stays: 'lasting' }),
  failing('a write fails once', 40, { kinds: ['write'], stays: 'once' }),
  failing('a write falls short', 10, { kinds: ['write'], action: 'short', stays: 'once' }),
  failing('a read fails once', 40, { kinds: ['read'], stays: 'once' }),
  failing('a flush fails once and its bytes are gone', 40, {
    kinds: FLUSHES,
    action: 'lose',
    stays: 'once',
  }),
  failing('flushes fail', 20, { kinds: FLUSHES, stays: 'lasting' }),
  failing('a name cannot be changed once', 40, {
    kinds: [...NAMES, 'unlink', 'truncate', 'open'],
    stays: 'once',
  }),
  failing('disk read-only', 20, {
    kinds: ['write', ...NAMES, 'unlink', 'truncate'],
    errno: 'EROFS',
    stays: 'lasting',
  }),
  slowDisk,
  clockJump,
];

/** The replica's own small file system is full: of bytes, or of inodes. Needs one mounted there. */
export function filledUp(what: 'bytes' | 'inodes', replicaData: string): Trouble {
  const filler = path.join(replicaData, 'filler');
  return {
    side: 'replica',
    stays: 'lasting',
    begin: () => {
      fs.mkdirSync(filler);
      if (what === 'inodes') takeInodes(filler);
      else takeBytes(path.join(filler, 'bytes'));
    },
    met: () => true,
    end: () => {
      fs.rmSync(filler, { recursive: true, force: true });
    },
  };
}

function takeInodes(folder: string): void {
  for (let n = 0; ; n += 1) {
    try {
      fs.writeFileSync(path.join(folder, String(n)), '');
    } catch {
      return;
    }
  }
}

/** All but what a few small files take. */
function takeBytes(file: string): void {
  const { bavail, bsize } = fs.statfsSync(path.dirname(file));
  for (const keep of [4, 16, 64]) {
    const bytes = Math.max(0, bavail - keep) * bsize;
    if (spawnSync('fallocate', ['-l', String(bytes), file]).status === 0) return;
  }
  throw new Error('the file system cannot be filled');
}
