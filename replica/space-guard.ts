/**
 * Quotas refuse syncs, they never prune (R20): looked at when a sync begins, and what it stores is
 * counted until it ends, beside what other syncs of the same agent store meanwhile. A disk that is
 * short of room makes syncs wait instead, as a full one does.
 */
import fs from 'node:fs';
import type { ReplicaConfig } from '../shared/config/replica-config.js';
import { AfterimageError } from '../shared/errors.js';
import type { SpaceUse } from './history/set-reader.js';

/** What one sync may store. */
export interface Allowance {
  /** Counts what the sync has stored so far. Throws `quota-exceeded` when there is no room for it. */
  store(bytes: number): void;
  /** The sync is over, whatever became of it. */
  release(): void;
}

/**
 * Undefined when nothing bounds the set. Throws `quota-exceeded` when it may not grow, `storage-full`
 * while the disk is short of room.
 */
export type Admit = (set: string) => Allowance | undefined;

export interface SpaceGuardDeps {
  readonly config: Pick<ReplicaConfig, 'dataFolder' | 'quotas'>;
  readonly spaceOf: (set: string) => SpaceUse | undefined;
  /** Who owns which set. */
  readonly owners: () => readonly { readonly agent: string; readonly set: string }[];
}

/** A bound, and the sets that it is for. */
interface Quota {
  readonly what: string;
  readonly sets: readonly string[];
  readonly bytesMax: number;
}

export function spaceGuard({ config, spaceOf, owners }: SpaceGuardDeps): Admit {
  const { freeBytesMin, setBytesMax, sets, agents } = config.quotas;
  const use = new KnownUse(spaceOf);
  return (set) => {
    requireRoom(config.dataFolder, { set, freeBytesMin });
    const quotas: Quota[] = [];
    const setMax = sets[set] ?? setBytesMax;
    if (setMax !== undefined) {
      quotas.push({ what: `set ${set}`, sets: [set], bytesMax: setMax });
    }
    const agent = owners().find((owned) => owned.set === set)?.agent;
    const agentMax = agent === undefined ? undefined : agents[agent];
    if (agent !== undefined && agentMax !== undefined) {
      const own = owners().filter((owned) => owned.agent === agent);
      const what = `agent ${agent}, all its sets together,`;
      quotas.push({ what, sets: own.map((owned) => owned.set), bytesMax: agentMax });
    }
    if (quotas.length === 0) return undefined;
    for (const quota of quotas) use.look(quota.sets);
    for (const quota of quotas) requireBelow(use, quota, set);
    return {
      store: (bytes) => {
        use.underWay.set(set, bytes);
        for (const quota of quotas) {
          if (use.of(quota.sets) <= quota.bytesMax) continue;
          // Points may have been removed since.
          use.look(quota.sets);
          requireBelow(use, quota, set);
        }
      },
      release: () => {
        use.underWay.delete(set);
        use.forget(set);
      },
    };
  };
}

/** What sets take, as it was looked up last, and what syncs under way add to it. */
class KnownUse {
  readonly underWay = new Map<string, number>();
  readonly #spaceOf: SpaceGuardDeps['spaceOf'];
  readonly #used = new Map<string, number>();

  constructor(spaceOf: SpaceGuardDeps['spaceOf']) {
    this.#spaceOf = spaceOf;
  }

  look(sets: readonly string[]): void {
    for (const set of sets) this.#used.set(set, sumOf(this.#spaceOf(set)));
  }

  /** It is looked up when it is asked for. */
  forget(set: string): void {
    this.#used.delete(set);
  }

  of(sets: readonly string[]): number {
    this.look(sets.filter((set) => !this.#used.has(set)));
    return sets.reduce(
      (sum, set) => sum + (this.#used.get(set) ?? 0) + (this.underWay.get(set) ?? 0),
      0,
    );
  }
}

function requireRoom(
  folder: string,
  { set, freeBytesMin }: { readonly set: string; readonly freeBytesMin: number },
): void {
  const status = fs.statfsSync(folder);
  const freeBytes = status.bavail * status.bsize;
  if (freeBytes >= freeBytesMin) return;
  throw new AfterimageError(
    'storage-full',
    `the replica's disk has ${freeBytes} bytes left, free_bytes_min is ${freeBytesMin}`,
    { facts: { set, freeBytes } },
  );
}

/** Throws `quota-exceeded`. */
function requireBelow(use: KnownUse, { what, sets, bytesMax }: Quota, set: string): void {
  const usedBytes = use.of(sets);
  if (usedBytes <= bytesMax) return;
  throw new AfterimageError(
    'quota-exceeded',
    `${what} takes ${usedBytes} bytes with what is under way, and may take ${bytesMax}`,
    { facts: { set, usedBytes, bytesMax } },
  );
}

function sumOf(use: SpaceUse | undefined): number {
  if (use === undefined) return 0;
  return use.baseBytes + use.atticBytes + use.packBytes + use.indexBytes;
}
