/** Quotas refuse syncs, they never prune (R20): checked when a sync begins. */
import fs from 'node:fs';
import type { ReplicaConfig } from '../shared/config/replica-config.js';
import { AfterimageError } from '../shared/errors.js';
import type { SpaceUse } from './history/set-reader.js';

/** Throws `storage-full` when a set may not grow. */
export type Admit = (set: string, use: () => SpaceUse) => void;

export function spaceGuard(config: Pick<ReplicaConfig, 'dataFolder' | 'quotas'>): Admit {
  const { freeBytesMin, setBytesMax } = config.quotas;
  return (set, use) => {
    const status = fs.statfsSync(config.dataFolder);
    const freeBytes = status.bavail * status.bsize;
    if (freeBytes < freeBytesMin) {
      throw new AfterimageError(
        'storage-full',
        `the replica's disk has ${freeBytes} bytes left, free_bytes_min is ${freeBytesMin}`,
        { facts: { set, freeBytes } },
      );
    }
    if (setBytesMax === undefined) return;
    const { baseBytes, atticBytes, packBytes, indexBytes } = use();
    const usedBytes = baseBytes + atticBytes + packBytes + indexBytes;
    if (usedBytes > setBytesMax) {
      throw new AfterimageError(
        'storage-full',
        `set ${set} takes ${usedBytes} bytes, set_bytes_max is ${setBytesMax}`,
        { facts: { set, usedBytes } },
      );
    }
  };
}
