/**
 * Quotas refuse syncs, they never prune (R20): looked at when a sync begins, and what it stores is
 * counted until it ends. A disk that is short of room makes syncs wait instead, as a full one does.
 */
import fs from 'node:fs';
import type { ReplicaConfig } from '../shared/config/replica-config.js';
import { AfterimageError } from '../shared/errors.js';
import type { SpaceUse } from './history/set-reader.js';

/** What one sync may store. */
export interface Allowance {
  readonly bytes: number;
  /** Why it may not store more. */
  readonly error: AfterimageError;
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

export function spaceGuard({ config, spaceOf, owners }: SpaceGuardDeps): Admit {
  const { freeBytesMin, setBytesMax, sets, agents } = config.quotas;
  const usedBy = (set: string): number => sumOf(spaceOf(set));
  return (set) => {
    requireRoom(config.dataFolder, { set, freeBytesMin });
    const allowances: Allowance[] = [];
    const setMax = sets[set] ?? setBytesMax;
    if (setMax !== undefined) {
      allowances.push(allowanceOf({ what: `set ${set}`, used: usedBy(set), max: setMax, set }));
    }
    const agent = owners().find((owned) => owned.set === set)?.agent;
    const agentMax = agent === undefined ? undefined : agents[agent];
    if (agent !== undefined && agentMax !== undefined) {
      const own = owners().filter((owned) => owned.agent === agent);
      const used = own.reduce((sum, owned) => sum + usedBy(owned.set), 0);
      const what = `agent ${agent}, all its sets together,`;
      allowances.push(allowanceOf({ what, used, max: agentMax, set }));
    }
    return allowances.sort((a, b) => a.bytes - b.bytes)[0];
  };
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

/** Throws `quota-exceeded` when nothing is left. */
function allowanceOf(quota: {
  readonly what: string;
  readonly used: number;
  readonly max: number;
  readonly set: string;
}): Allowance {
  const { what, used, max, set } = quota;
  const error = new AfterimageError(
    'quota-exceeded',
    `${what} takes ${used} bytes and may take ${max}; this sync stores more than that leaves`,
    { facts: { set, usedBytes: used, bytesMax: max } },
  );
  if (used > max) throw error;
  return { bytes: max - used, error };
}

function sumOf(use: SpaceUse | undefined): number {
  if (use === undefined) return 0;
  return use.baseBytes + use.atticBytes + use.packBytes + use.indexBytes;
}
